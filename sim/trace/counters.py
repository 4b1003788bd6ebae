"""Counters over time: bandwidth of memories and links, transfers under way, weights moved in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.results.run_timeline import RunTimeline
from moe_cosim.sim.trace.tracks import Tracks
from moe_cosim.sim.trace.transfers import Transfers
from moe_cosim.workloads.programs.program import PURPOSES

_SHARES: Final = 1024
"""Rates are added up in whole parts of a byte per second, so that nothing is left when all have ended."""
_HIGHEST_RATE: Final = 1e15
"""Bytes per second of one event, a thousand times what any memory has; sums of them are whole numbers of 64 bits."""
_NS_PER_S: Final = 10**9


@dataclass(frozen=True)
class Counter:
    """Values hold from their time until the next; both are [samples]."""

    track: int
    time_ns: NDArray[np.int64]
    value: NDArray[np.float64]


def counters_of(machine: Machine, timeline: RunTimeline, transfers: Transfers, tracks: Tracks) -> Iterator[Counter]:
    """Of everything in the machine that limits a rate; `InputError` where an event moved more than anything could."""
    memories = len(machine.memory_list)
    for index, track in tracks.bandwidth.items():
        rows, times = transfers.through(index)
        begin, end = transfers.begin_ns[rows], transfers.end_ns[rows]
        rate = transfers.bytes[rows] * float(_NS_PER_S * _SHARES) * times / (end - begin)
        if rate.max(initial=0.0) > _HIGHEST_RATE * _SHARES:
            found = Plain(f"{rate.max() / _SHARES:.3g} bytes/s")
            raise InputError("trace", f"bandwidth of {machine.resources[index].name}", found, f"<= {_HIGHEST_RATE:.0e}")
        yield _sum(track, begin, end, np.rint(rate).astype(np.int64), _SHARES)
        if index < memories:
            yield _sum(tracks.depth[index], begin, end, times)
            yield _moved_in(tracks.residency[index], timeline, transfers, index)


def _sum(
    track: int, begin: NDArray[np.int64], end: NDArray[np.int64], value: NDArray[np.int64], unit: int = 1
) -> Counter:
    """Of values that each hold from their begin to their end."""
    return _steps(track, np.concatenate([begin, end]), np.concatenate([value, -value]), unit)


def _steps(track: int, time_ns: NDArray[np.int64], change: NDArray[np.int64], unit: int = 1) -> Counter:
    """From 0 at the time 0; where nothing changes there is no value."""
    order = np.argsort(time_ns, kind="stable")
    time_ns = np.concatenate([[0], time_ns[order]])
    value = np.concatenate([[0], np.cumsum(change[order])])
    last = np.append(time_ns[1:] > time_ns[:-1], True)
    time_ns, value = time_ns[last], value[last]
    changes = np.append(True, value[1:] != value[:-1])
    return Counter(track, time_ns[changes], value[changes] / unit)


def _moved_in(track: int, timeline: RunTimeline, transfers: Transfers, memory: int) -> Counter:
    """Bytes of weights that copies have put in a memory, what they replaced there not counted."""
    rows = transfers.copied_to(memory)
    purpose = timeline.program.tags["purpose"][timeline.program.events["tag"][transfers.event[rows]]]
    rows = rows[purpose == PURPOSES.index("move weights")]
    rows = rows[np.lexsort((transfers.end_ns[rows], transfers.address[rows]))]
    address, change = transfers.address[rows], transfers.bytes[rows].copy()
    again = np.flatnonzero(address[1:] == address[:-1]) + 1
    change[again] -= transfers.bytes[rows][again - 1]
    return _steps(track, transfers.end_ns[rows], change)
