"""The compiled walk behind `moe_cosim.sim.results.critical_path`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled
from moe_cosim.sim.results.critical_path import COMPUTE_BOUND, IDLE_BOUND, LATENCY_BOUND, TRAFFIC_BOUND
from moe_cosim.workloads.program import WAIT


@compiled
def walk(
    event: int,
    kind: NDArray[np.uint8],
    lane: NDArray[np.uint16],
    token: NDArray[np.int64],
    floor_ps: NDArray[np.int64],
    start_ps: NDArray[np.int64],
    end_ps: NDArray[np.int64],
    unit: NDArray[np.int64],
    latency_ps: NDArray[np.int64],
    token_start: NDArray[np.int64],
    token_signal: NDArray[np.int64],
    segments: NDArray[np.void],
) -> int:
    """Fill `segments` from the last to the first; their number. At most two per event visited."""
    found = 0
    while True:
        time_ps = end_ps[event] - start_ps[event]
        if kind[event] == WAIT and time_ps > 0:
            last, arrival = -1, start_ps[event]
            for index in range(token_start[token[event]], token_start[token[event] + 1]):
                signal = token_signal[index]
                arrives = end_ps[signal] + latency_ps[unit[signal], unit[event]]
                if arrives > arrival:  # of equal arrivals the first: that of the lowest lane
                    last, arrival = signal, arrives
            if last >= 0:
                arrival = min(arrival, end_ps[event])
                found = _add(segments, found, event, end_ps[event] - arrival, IDLE_BOUND)
                found = _add(segments, found, event, arrival - end_ps[last], LATENCY_BOUND)
                event = last
                continue
            found = _add(segments, found, event, time_ps, IDLE_BOUND)
        else:
            found = _add(
                segments, found, event, time_ps, COMPUTE_BOUND if time_ps == floor_ps[event] else TRAFFIC_BOUND
            )
        has_previous = event > 0 and lane[event - 1] == lane[event]
        gap_ps = start_ps[event] - (end_ps[event - 1] if has_previous else 0)
        found = _add(segments, found, event, gap_ps, IDLE_BOUND)
        if not has_previous:
            return found
        event -= 1


@compiled
def _add(segments: NDArray[np.void], found: int, event: int, time_ps: int, bound: int) -> int:
    """Number of segments after this one, which is left out when it took no time."""
    if time_ps <= 0:
        return found
    segments[found].event = event
    segments[found].time_ps = time_ps
    segments[found].bound = bound
    return found + 1
