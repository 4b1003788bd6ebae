"""Parts of one kernel: which channels they keep busy together, in the window that they share.

A kernel's parts follow each other in the lane's window, so where several fit into it, as many are under way. What one
of them gets is then not what its own channels give alone, but its part of what all give: the kernel's bytes over those
of its fullest channel, s channels in the mean. Where a window holds n pieces and the kernel more, some channels have
none for a while: n s / (n + s - 1) are busy, as in a closed network of s equal queues with n customers (Gross, Shortle,
Thompson, Harris, Fundamentals of Queueing Theory, 4th edition, section 5.3).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled_part
from moe_cosim.sim.engines.embedded.tables import MachineTables
from moe_cosim.workloads.programs.program import STREAM

BUSY, PIECES, EVEN, SEEN = range(4)
"""Rows of the scratch of `survey_kernel`: channels that are busy; pieces of blocks; bytes that lie evenly on all
channels; one more than the first row of the kernel that the others are of."""
SCRATCH_ROWS: Final = 4


@compiled_part
def kernel_end(events: NDArray[np.void], row: int) -> int:
    """One past the last part of the kernel whose first is in this row: the next row, where there is one part alone.
    `events` [E].
    """
    end = row + 1
    while end < len(events) and _is_part(events[end], events[row].lane):
        end += 1
    return end


@compiled_part
def survey_kernel(
    t: MachineTables,
    events: NDArray[np.void],
    accesses: NDArray[np.void],
    memory: NDArray[np.int32],
    row: int,
    end: int,
    channel_bytes: NDArray[np.float64],
    found: NDArray[np.float64],
) -> float:
    """Bytes of the kernel in rows [row, end).

    Where its parts overlap, and some lie on a few channels alone, row BUSY of `found` [SCRATCH_ROWS, M] says how many
    channels of each memory they keep busy together; else 0. `channel_bytes` [M, most channels] is scratch.
    """
    window = t.window_bytes[t.lane_unit[events[row].lane]]
    total, is_short = 0.0, False
    for part in range(row, end):
        first = np.int64(events[part].first_access)
        is_part_short = True
        for index in range(first, first + np.int64(events[part].accesses)):
            if accesses[index].bytes > 0:
                total += np.float64(accesses[index].bytes)
                found[BUSY, memory[index]] = 0.0
                of = t.memory_part[memory[index]]
                is_part_short = is_part_short and accesses[index].bytes < of.channels * of.interleave_bytes
        is_short = is_short or is_part_short
    if not is_short or total >= (end - row) * window:
        return total
    for part in range(row, end):
        first = np.int64(events[part].first_access)
        for index in range(first, first + np.int64(events[part].accesses)):
            if accesses[index].bytes > 0:
                _spread(t, accesses[index], memory[index], row, channel_bytes, found)
    for number in range(found.shape[1]):
        if found[SEEN, number] == row + 1:
            channels = t.memory_part[number].channels
            inside, most = 0.0, 0.0
            for channel in range(channels):
                inside += channel_bytes[number, channel]
                most = max(most, channel_bytes[number, channel])
            even = found[EVEN, number]
            busy = (inside + even) / (most + even / channels)
            pieces = found[PIECES, number] * window / total
            found[BUSY, number] = busy if total <= window else pieces * busy / (pieces + busy - 1.0)
    return total


@compiled_part
def _is_part(event: Any, lane: int) -> bool:
    """Whether the event goes on with the kernel of the one before it. `event` is of EVENT."""
    return bool(event.kind == STREAM and event.count > 0 and event.lane == lane)


@compiled_part
def _spread(
    t: MachineTables,
    access: Any,
    number: int,
    row: int,
    channel_bytes: NDArray[np.float64],
    found: NDArray[np.float64],
) -> None:
    """An access's bytes on the channels of its memory. `access` is of ACCESS."""
    part = t.memory_part[number]
    if found[SEEN, number] != row + 1:
        found[SEEN, number] = row + 1
        found[PIECES, number] = found[EVEN, number] = 0.0
        channel_bytes[number, : part.channels] = 0.0
    offset: Any = np.int64(access.address) - part.base
    end: Any = offset + np.int64(access.bytes)
    first, last = offset // part.interleave_bytes, (end - 1) // part.interleave_bytes
    found[PIECES, number] += last - first + 1
    if last - first + 1 >= part.channels:
        found[EVEN, number] += end - offset
        return
    for block in range(first, last + 1):
        here = min(end, (block + 1) * part.interleave_bytes) - max(offset, block * part.interleave_bytes)
        channel_bytes[number, block % part.channels] += here
