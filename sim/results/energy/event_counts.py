"""The compiled look at a block's events: what takes energy, counted by use and over time."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled, compiled_part
from moe_cosim.workloads.programs.program import CONTENTS, COPY, PHASES, PURPOSES, READ, SIGNAL

PURPOSE_COUNT: Final = len(PURPOSES) + 1
"""The last: a program without tags."""
USES: Final = len(PHASES) * PURPOSE_COUNT
"""Phase by phase, purpose by purpose."""
MOST_BITS: Final = 64

_WEIGHTS: Final = CONTENTS.index("weights")
_KV: Final = CONTENTS.index("kv")
_ATTENTION: Final = PURPOSES.index("attention")
_HOST: Final = PURPOSES.index("host")
_THOUSAND: Final = 1000


class Columns(NamedTuple):
    """Where kinds of counts begin: [U M 2] bytes of streams, [M M] bytes of copies, [M] thousandths of rows opened,
    [U T] operations, then [U] each: ps in which a lane works, ps of the software's work on sequences, weights unpacked.
    Memories are in the order of their addresses."""

    units: int
    memories: int
    types: int
    copies: int
    rows: int
    operations: int
    active: int
    software: int
    unpacked: int
    total: int

    @classmethod
    def of(cls, units: int, memories: int, types: int) -> Columns:
        """For a machine with so many units and memories, and so many types of operands."""
        copies = 2 * units * memories
        rows = copies + memories * memories
        operations = rows + memories
        active = operations + units * types
        software, unpacked, total = (active + more * units for more in (1, 2, 3))
        return cls(units, memories, types, copies, rows, operations, active, software, unpacked, total)


class Meanings(NamedTuple):
    """What events mean."""

    unit: NDArray[np.int64]  # [L] of each lane
    base: NDArray[np.int64]  # [M + 1] where memories begin, ascending; at last, what no address reaches
    block_bytes: NDArray[np.int64]  # [M, C] from which a block belongs to a class, padded with the largest integer
    rows_per_byte: NDArray[np.float64]  # [M, 2, C]
    values_of_bits: NDArray[np.float64]  # [MOST_BITS + 1] weights per byte of experts stored in so many bits
    values_of_purpose: NDArray[np.float64]  # [P] weights per byte of the other parts
    type_of_bits: NDArray[np.int64]  # [U, MOST_BITS + 1] operand type of products with them
    type_of_purpose: NDArray[np.int64]  # [U, P]
    unpacks_bits: NDArray[np.bool_]  # [U, MOST_BITS + 1] whether they are stored in fewer bits than multiplied in
    unpacks_purpose: NDArray[np.bool_]  # [U, P]
    step_ps: NDArray[np.int64]  # [1] of the software's work per step, what does not grow with the sequences
    attention: NDArray[np.float64]  # [2] operations per token of a prompt, per byte of keys and values read


class OverTime(NamedTuple):
    """Counts of equal spans of time from the run's start."""

    span_ps: NDArray[np.int64]  # [1] length of a span; doubles when the run outgrows them
    counts: NDArray[np.int64]  # [spans, K]


class EventCounts(NamedTuple):
    """One event's counts, [counts]: the column, and what is added to it."""

    column: NDArray[np.int64]
    amount: NDArray[np.int64]


@compiled_part
def _spread(over: OverTime, scratch: EventCounts, used: int, start: int, end: int) -> None:
    """Evenly over the event's time. Whole numbers, which do not depend on how long the spans are meanwhile."""
    spans = len(over.counts)
    while end > over.span_ps[0] * spans:
        for span in range(spans):
            for column in range(over.counts.shape[1]):
                at = 2 * span
                both = over.counts[at, column] + over.counts[at + 1, column] if at < spans else 0
                over.counts[span, column] = both
        over.span_ps[0] *= 2
    length = over.span_ps[0]
    first, last = start // length, max(end - 1, start) // length
    if first == last:
        for index in range(used):
            over.counts[first, scratch.column[index]] += scratch.amount[index]
        return
    for index in range(used):
        column, amount = scratch.column[index], scratch.amount[index]
        before = 0
        for span in range(first, last + 1):
            upto = amount
            if span < last:
                upto = np.int64(amount * (((span + 1) * length - start) / (end - start)))
            over.counts[span, column] += upto - before
            before = upto


@compiled
def count_energy(
    events: NDArray[np.void],
    accesses: NDArray[np.void],
    tags: NDArray[np.void],
    start_ps: NDArray[np.int64],
    end_ps: NDArray[np.int64],
    tables: Meanings,
    columns: Columns,
    by_use: NDArray[np.int64],
    over: OverTime,
    scratch: EventCounts,
) -> None:
    """Add a block to `by_use` [USES, K] and to the counts over time."""
    target = 0
    classes = tables.block_bytes.shape[1]
    for row in range(len(events)):
        event = events[row]
        kind = event.kind
        if kind >= SIGNAL:
            continue
        unit, start, end = tables.unit[event.lane], start_ps[row], end_ps[row]
        phase, purpose, bits, tokens = np.int64(0), np.int64(PURPOSE_COUNT - 1), np.int64(0), np.int64(0)
        layer = np.int64(-1)
        if len(tags):
            tag = tags[event.tag]
            phase, purpose = np.int64(tag.phase), np.int64(tag.purpose)
            bits, tokens = min(np.int64(tag.weight_bits), np.int64(MOST_BITS)), np.int64(tag.tokens)
            layer = np.int64(tag.layer)
        used, source, operations, unpacked = 0, 0, 0.0, 0.0
        if purpose != _HOST:
            scratch.column[0], scratch.amount[0] = columns.active + unit, end - start
            used = 1
        elif layer < 0 and tokens == 0:  # launches of a draft say their tokens
            scratch.column[0], scratch.amount[0] = columns.software + unit, max(end - start - tables.step_ps[0], 0)
            used = 1
        if purpose == _ATTENTION and phase == 0:
            operations += tokens * tables.attention[0]
        values = tables.values_of_bits[bits] if bits else tables.values_of_purpose[purpose]
        first = np.int64(event.first_access)
        for index in range(first, first + event.accesses):
            access = accesses[index]
            address, size = np.int64(access.address), np.int64(access.bytes)
            while address < tables.base[target]:
                target -= 1
            while address >= tables.base[target + 1]:
                target += 1
            block = np.int64(access.block_bytes)
            which = classes - 1
            if block:
                while which and tables.block_bytes[target, which] > block:
                    which -= 1
            rows = np.int64(_THOUSAND * size * tables.rows_per_byte[target, access.op, which])
            scratch.column[used], scratch.amount[used] = columns.rows + target, rows
            used += 1
            if kind != COPY:
                place = (unit * columns.memories + target) * 2 + access.op
                scratch.column[used], scratch.amount[used] = place, size
                used += 1
                if access.op == READ and access.what == _WEIGHTS:
                    operations += 2.0 * tokens * size * values
                    unpacked += size * values
                elif access.op == READ and access.what == _KV and purpose == _ATTENTION:
                    operations += size * tables.attention[1]
            elif (index - first) % 2:
                place = columns.copies + source * columns.memories + target
                scratch.column[used], scratch.amount[used] = place, size
                used += 1
            source = target
        if operations:
            of = tables.type_of_bits[unit, bits] if bits else tables.type_of_purpose[unit, purpose]
            scratch.column[used] = columns.operations + unit * columns.types + of
            scratch.amount[used] = np.int64(operations + 0.5)
            used += 1
        if unpacked and (tables.unpacks_bits[unit, bits] if bits else tables.unpacks_purpose[unit, purpose]):
            scratch.column[used], scratch.amount[used] = columns.unpacked + unit, np.int64(unpacked + 0.5)
            used += 1
        use = phase * PURPOSE_COUNT + purpose
        for index in range(used):
            by_use[use, scratch.column[index]] += scratch.amount[index]
        _spread(over, scratch, used, start, end)
