"""The compiled walk behind `moe_cosim.sim.results.path.critical_path`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled, compiled_part
from moe_cosim.sim.engines.timeline import IDLE_BOUND, LATENCY_BOUND


@compiled
def walk(
    event: int,
    lane: NDArray[np.uint16],
    start_ps: NDArray[np.int64],
    end_ps: NDArray[np.int64],
    bound: NDArray[np.uint8],
    last_signal: NDArray[np.int64],
    segments: NDArray[np.void],
) -> int:
    """Fill `segments` from the last to the first; their number: at most two per event visited. -1: signals that wait
    for each other, as only a file can say. Columns are [E], `segments` [room] of SEGMENT.
    """
    found = 0
    for _ in range(len(lane)):
        if bound[event] == LATENCY_BOUND:
            signal = last_signal[event]
            found = _add(segments, found, event, end_ps[event] - end_ps[signal], LATENCY_BOUND)
            event = signal
            continue
        found = _add(segments, found, event, end_ps[event] - start_ps[event], bound[event])
        has_previous = event > 0 and lane[event - 1] == lane[event]
        gap_ps = start_ps[event] - (end_ps[event - 1] if has_previous else 0)
        found = _add(segments, found, event, gap_ps, IDLE_BOUND)
        if not has_previous:
            return found
        event -= 1
    return -1


@compiled_part
def _add(segments: NDArray[np.void], found: int, event: int, time_ps: int, bound: int) -> int:
    """Number of segments after this one, which is left out when it took no time."""
    if time_ps <= 0:
        return found
    segments[found].event = event
    segments[found].time_ps = time_ps
    segments[found].bound = bound
    return found + 1
