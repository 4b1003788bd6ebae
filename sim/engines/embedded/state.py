"""All that changes during a run of the kernel, as arrays."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.sim.engines.embedded.flatten import FlatProgram
from moe_cosim.sim.engines.timeline import COMPUTE_BOUND

NEVER_PS: Final = 2**62

DEMAND_GRID: Final = 2.0**30
"""Demand is counted in 2^-30 bytes per ps, about 1 kB/s, rounded up: a resource may be taken for
contended that is not, which costs time but changes no rate."""

DEMAND_LIMIT: Final = 2.0**45
"""No flow counts for more (33 PB/s), so that the sum over 2^17 flows stays within int64."""

COUNTERS: Final = np.dtype(
    [
        ("ended", np.int64),  # events
        ("active", np.int64),  # flows that move bytes
        ("waiting", np.int64),  # flows in the heap
        ("ready", np.int64),  # lanes on the stack
        ("next_end_ps", np.int64),  # of the active flows
        ("contended", np.int64),  # resources in the scratch list
        ("contention_changed", np.int64),  # 1: rates must be shared out anew
    ]
)


class KernelState(NamedTuple):
    """Carried from slice to slice, so that a run can stop and go on. C: flows that can be under way."""

    start_ps: NDArray[np.int64]  # [E]
    end_ps: NDArray[np.int64]  # [E]
    bound: NDArray[np.uint8]  # [E] as in Timeline
    last_signal: NDArray[np.int64]  # [E] as in Timeline
    counters: NDArray[np.void]  # [1] of COUNTERS
    lane_next: NDArray[np.int64]  # [L] event the lane is at
    lane_time_ps: NDArray[np.int64]  # [L] when that event starts
    lane_flows: NDArray[np.int64]  # [L] flows it still waits for
    lane_after: NDArray[np.int64]  # [L] next lane that waits for the same token, or -1
    ready: NDArray[np.int64]  # [L] a stack of lanes that can go on
    token_missing: NDArray[np.int64]  # [T] signals without a time yet
    token_waiter: NDArray[np.int64]  # [T] first lane that waits, or -1
    heap_ps: NDArray[np.int64]  # [C]
    heap_flow: NDArray[np.int64]  # [C]
    flow: NDArray[np.int64]  # [C] flows that move bytes, and of each:
    remaining: NDArray[np.float64]  # bytes at `anchor_ps`
    rate: NDArray[np.float64]  # bytes per ps since then
    anchor_ps: NDArray[np.int64]
    flow_end_ps: NDArray[np.int64]
    new_rate: NDArray[np.float64]
    users: NDArray[np.int64]  # [R] flows that cross it now
    demand: NDArray[np.int64]  # [R] what they would take if each had its rate alone
    limit: NDArray[np.int64]  # [R] the resource's rate in units of demand
    open: NDArray[np.int64]  # [C] scratch: flows whose rate is not found yet
    contended: NDArray[np.int64]  # [R] scratch: the resources that can bind
    level: NDArray[np.float64]  # [R] scratch: common rate at which it is full; infinite: cannot bind
    weight: NDArray[np.float64]  # [R] scratch: sum of the open flows' coefficients
    used: NDArray[np.float64]  # [R] scratch: bytes per ps of the other flows
    frozen: NDArray[np.float64]  # [R] scratch: sum of coefficients that leave `weight` now


def new_state(flat: FlatProgram) -> KernelState:
    """Nothing has happened: every lane is ready at time 0."""
    events, lanes, tokens = len(flat.kind), len(flat.lane_unit), len(flat.token_start) - 1
    resources = len(flat.resource_rate)
    flows = np.diff(flat.first_flow)
    limit = np.minimum(flat.resource_rate * DEMAND_GRID, DEMAND_LIMIT).astype(np.int64)
    limit[np.isinf(flat.resource_rate)] = np.iinfo(np.int64).max
    begun = np.flatnonzero(np.diff(flat.lane_start))
    capacity = int(np.maximum.reduceat(flows, flat.lane_start[begun]).sum()) if len(begun) else 0
    counters = np.zeros(1, dtype=COUNTERS)
    counters["ready"] = lanes
    counters["next_end_ps"] = NEVER_PS

    def integers(size: int) -> NDArray[np.int64]:
        return np.zeros(size, dtype=np.int64)

    return KernelState(
        start_ps=integers(events),
        end_ps=integers(events),
        bound=np.full(events, COMPUTE_BOUND, dtype=np.uint8),
        last_signal=np.full(events, -1, dtype=np.int64),
        counters=counters,
        lane_next=flat.lane_start[:-1].copy(),
        lane_time_ps=integers(lanes),
        lane_flows=integers(lanes),
        lane_after=np.full(lanes, -1, dtype=np.int64),
        ready=np.arange(lanes, dtype=np.int64),
        token_missing=np.diff(flat.token_start),
        token_waiter=np.full(tokens, -1, dtype=np.int64),
        heap_ps=integers(capacity),
        heap_flow=integers(capacity),
        flow=integers(capacity),
        remaining=np.zeros(capacity),
        rate=np.zeros(capacity),
        anchor_ps=integers(capacity),
        flow_end_ps=integers(capacity),
        new_rate=np.zeros(capacity),
        users=integers(resources),
        demand=integers(resources),
        limit=limit,
        open=integers(capacity),
        contended=integers(resources),
        level=np.full(resources, math.inf),
        weight=np.zeros(resources),
        used=np.zeros(resources),
        frozen=np.zeros(resources),
    )


def ended_events(state: KernelState) -> int:
    return int(state.counters["ended"][0])
