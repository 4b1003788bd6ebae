"""The one compiled look at every event of a block."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled
from moe_cosim.workloads.program import COPY, PURPOSES, SIGNAL

_HEAD: Final = PURPOSES.index("head")
_EXPERT: Final = PURPOSES.index("expert")


class Places(NamedTuple):
    """Where events run and addresses lie."""

    unit: NDArray[np.int64]  # [L] of each lane
    near_data: NDArray[np.bool_]  # [L] whether that unit is near the data
    base: NDArray[np.int64]  # [M] where memories begin, ascending
    end: NDArray[np.int64]  # [M]
    memory: NDArray[np.int64]  # [M] index into Machine.memory_list


class Sums(NamedTuple):
    """Added up through the run."""

    memory_bytes: NDArray[np.int64]  # [M, contents, 2] read and written
    stream_bytes: NDArray[np.int64]  # [U, M, 2, contents] by units, from and to memories
    copy_bytes: NDArray[np.int64]  # [M, M, contents] from memory to memory
    working: NDArray[np.int64]  # [U] events that compute or move data
    kernels: NDArray[np.int64]  # [2] expert kernels near the data in decode: how many, how long in all (ps)
    heads: NDArray[np.int64]  # [2] first and last end of an event that computes the head (ps)
    lane_end_ps: NDArray[np.int64]  # [L] of the last event; -1: none yet


class Spells(NamedTuple):
    """When lanes work: disjoint spells in order, lane after lane. Events that follow at once are one spell."""

    start_ps: NDArray[np.int64]
    end_ps: NDArray[np.int64]
    first: NDArray[np.int64]  # [L]
    number: NDArray[np.int64]  # [L]


@compiled
def count_events(
    events: NDArray[np.void],
    accesses: NDArray[np.void],
    tags: NDArray[np.void],
    start_ps: NDArray[np.int64],
    end_ps: NDArray[np.int64],
    places: Places,
    sums: Sums,
    spells: Spells,
) -> None:
    """Add a block to `sums` and fill `spells`, which has room for one spell per event."""
    spell = -1
    memory: int = 0
    for lane in range(len(spells.number)):
        spells.number[lane] = 0
    for row in range(len(events)):
        event = events[row]
        kind, lane = event.kind, event.lane
        start, end = start_ps[row], end_ps[row]
        sums.lane_end_ps[lane] = end
        if len(tags):
            tag = tags[event.tag]
            if tag.purpose == _HEAD:
                sums.heads[0] = min(sums.heads[0], end)
                sums.heads[1] = max(sums.heads[1], end)
            elif tag.purpose == _EXPERT and tag.step > 0 and places.near_data[lane]:
                sums.kernels[0] += 1
                sums.kernels[1] += end - start
        if kind >= SIGNAL:
            continue
        unit = places.unit[lane]
        sums.working[unit] += 1
        if end > start:
            if not spells.number[lane]:
                spells.first[lane] = spell + 1
            if spells.number[lane] and start <= spells.end_ps[spell]:
                spells.end_ps[spell] = end
            else:
                spell += 1
                spells.start_ps[spell] = start
                spells.end_ps[spell] = end
                spells.number[lane] += 1
        source = 0
        first = np.int64(event.first_access)
        for index in range(np.int64(event.accesses)):
            access = accesses[first + index]
            size = np.int64(access.bytes)
            memory = _memory(access.address, memory, places)
            target = places.memory[memory]
            sums.memory_bytes[target, access.what, access.op] += size
            if kind != COPY:
                sums.stream_bytes[unit, target, access.op, access.what] += size
            elif index % 2:
                sums.copy_bytes[source, target, accesses[first + index - 1].what] += size
            source = target


@compiled
def _memory(unsigned: int, last: int, places: Places) -> int:
    """The row of `places` in which an address lies; most lie where the `last` one did."""
    address = np.int64(unsigned)
    if places.base[last] <= address < places.end[last]:
        return last
    low, high = 0, len(places.base)
    while high - low > 1:
        middle = (low + high) // 2
        if places.base[middle] <= address:
            low = middle
        else:
            high = middle
    return low
