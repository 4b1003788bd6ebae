"""The compiled kernel: lanes, flows and the rates at which flows share resources.

Only flows need a common clock. A lane runs ahead of it, because when its next events end is known
from its own time and from signals whose times are known; it stops at traffic or at a signal that
has no time yet. Arrivals of flows (their latency is over) wait in a binary heap; flows that move
bytes are in a list, each with the picosecond at which it ends at its present rate.

Most resources cannot bind: what their flows reach alone fits. A flow over such resources only has
its rate alone, and its coming and going concerns nobody else. Rates are shared out anew when a flow
comes to, or goes from, a *contended* resource. Demand is counted in integers, so that whether a
resource is contended depends on its flows, not on their order.

One file on purpose: Numba's cache notices a change of the file a compiled function is in, not of the
files of those it calls. And no array is made here (see `moe_cosim.compiled`).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from moe_cosim.compiled import compiled
from moe_cosim.sim.engines.embedded.flatten import LONGEST_PS, NEITHER, FlatProgram
from moe_cosim.sim.engines.embedded.state import DEMAND_GRID, DEMAND_LIMIT, NEVER_PS, KernelState
from moe_cosim.sim.engines.timeline import LATENCY_BOUND, TRAFFIC_BOUND
from moe_cosim.workloads.program import COMPUTE, SIGNAL, WAIT

RUNNING: Final = 0
DONE: Final = 1
STUCK: Final = 2
"""A deadlock, or a time past `LONGEST_PS`."""

_ROUNDING_PS: Final = 1e-3
"""A flow that ends this little after a whole picosecond ends at it: rounding errors of float64
(1e-4 ps in a second) must not decide about a picosecond."""

_NO_WEIGHT: Final = 0.5
"""A coefficient is at least 1, so a sum below this is none (its rounding apart)."""

_FULL: Final = 1e300
"""Level of a contended resource all of whose flows have their rate: above any rate, but finite."""


@compiled
def advance(p: FlatProgram, s: KernelState, events: int) -> int:
    """Go on until about `events` more events have ended; RUNNING, or how the run ended."""
    c = s.counters[0]
    limit = c.ended + events
    _run_ready_lanes(p, s)
    while c.ended < limit:
        now = c.next_end_ps
        if c.waiting > 0 and s.heap_ps[0] < now:
            now = s.heap_ps[0]
        if now == NEVER_PS:
            return DONE if c.ended == len(p.kind) else STUCK
        if now >= LONGEST_PS:
            return STUCK
        if c.next_end_ps == now:
            _end_flows(p, s, now)
            _run_ready_lanes(p, s)
        while c.waiting > 0 and s.heap_ps[0] == now:
            flow = _pop(s)
            if p.flow_bytes[flow] > 0.0:
                _begin_flow(p, s, flow, now)
            else:
                _leave_event(p, s, p.flow_lane[flow], now)
                _run_ready_lanes(p, s)
        if c.contention_changed == 1:
            _share_anew(p, s, now)
    return RUNNING


# -- lanes -------------------------------------------------------------------------------------


@compiled
def _run_ready_lanes(p: FlatProgram, s: KernelState) -> None:
    c = s.counters[0]
    while c.ready > 0:
        c.ready -= 1
        _run_lane(p, s, s.ready[c.ready])


@compiled
def _run_lane(p: FlatProgram, s: KernelState, lane: int) -> None:
    """Events of the lane up to the first whose end is not known yet."""
    c = s.counters[0]
    event = s.lane_next[lane]
    now = s.lane_time_ps[lane]
    first = event
    while event < p.lane_start[lane + 1] and now < LONGEST_PS:
        s.start_ps[event] = now
        kind = p.kind[event]
        token = p.token[event]
        if kind == SIGNAL:
            s.end_ps[event] = now
            s.token_missing[token] -= 1
            if s.token_missing[token] == 0:
                _wake(s, token)
        elif kind == WAIT:
            if s.token_missing[token] > 0:
                s.lane_after[lane] = s.token_waiter[token]
                s.token_waiter[token] = lane
                break
            now = _pass_wait(p, s, event, p.lane_unit[lane])
        elif kind == COMPUTE or p.first_flow[event] == p.first_flow[event + 1]:
            now += p.floor_ps[event]
        else:
            for flow in range(p.first_flow[event], p.first_flow[event + 1]):
                _push(s, now + p.setup_ps[event] + p.flow_latency_ps[flow], flow)
            s.lane_flows[lane] = p.first_flow[event + 1] - p.first_flow[event]
            break
        s.end_ps[event] = now
        event += 1
    c.ended += event - first
    s.lane_next[lane] = event
    s.lane_time_ps[lane] = now


@compiled
def _wake(s: KernelState, token: int) -> None:
    lane = s.token_waiter[token]
    s.token_waiter[token] = -1
    while lane >= 0:
        s.ready[s.counters[0].ready] = lane
        s.counters[0].ready += 1
        lane = s.lane_after[lane]


@compiled
def _pass_wait(p: FlatProgram, s: KernelState, event: int, unit: int) -> int:
    """When the wait ends, all its signals having a time: as it starts, or with the last to arrive."""
    end = s.start_ps[event]
    for index in range(p.token_start[p.token[event]], p.token_start[p.token[event] + 1]):
        signal = p.token_signal[index]
        arrives = s.end_ps[signal] + p.unit_latency_ps[p.signal_unit[index], unit]
        if arrives > end:  # of equal arrivals the first: that of the lowest lane
            end = arrives
            s.bound[event] = LATENCY_BOUND
            s.last_signal[event] = signal
    return int(end)


@compiled
def _leave_event(p: FlatProgram, s: KernelState, lane: int, now: int) -> None:
    """One flow of the lane's event is over; after the last one the event ends, at its floor at least."""
    s.lane_flows[lane] -= 1
    if s.lane_flows[lane] == 0:
        event = s.lane_next[lane]
        end = s.start_ps[event] + p.floor_ps[event]
        if now > end:
            end = now
            s.bound[event] = TRAFFIC_BOUND
        s.end_ps[event] = end
        s.counters[0].ended += 1
        s.lane_next[lane] = event + 1
        s.lane_time_ps[lane] = end
        s.ready[s.counters[0].ready] = lane
        s.counters[0].ready += 1


# -- flows -------------------------------------------------------------------------------------


@compiled
def _coefficient(p: FlatProgram, flow: int, at: int) -> float:
    """What one byte of the flow takes of ``route_resource[at]``, which is one of its route's."""
    side = p.route_side[at]
    return p.flow_coefficient[flow, side] if side < NEITHER else 1.0


@compiled
def _count_demand(p: FlatProgram, s: KernelState, flow: int, sign: int) -> bool:
    """The flow comes (1) or goes (-1); whether that changes the rates of others."""
    route = p.flow_route[flow]
    first = p.route_start[route]
    matters = False
    for hop in range(p.route_start[route + 1] - first):
        resource = p.route_resource[first + hop]
        alone = p.flow_alone[flow] * _coefficient(p, flow, first + hop)
        demand = int(min(np.ceil(alone * DEMAND_GRID), DEMAND_LIMIT))
        if sign < 0:
            matters = matters or _is_contended(s, resource)
        s.users[resource] += sign
        s.demand[resource] += sign * demand
        if sign > 0:
            matters = matters or _is_contended(s, resource)
    return matters


@compiled
def _is_contended(s: KernelState, resource: int) -> bool:
    return bool(s.users[resource] > 1 and s.demand[resource] > s.limit[resource])


@compiled
def _begin_flow(p: FlatProgram, s: KernelState, flow: int, now: int) -> None:
    c = s.counters[0]
    at = c.active
    c.active += 1
    s.flow[at] = flow
    s.remaining[at] = p.flow_bytes[flow]
    s.rate[at] = 0.0
    s.anchor_ps[at] = now
    if _count_demand(p, s, flow, 1):
        c.contention_changed = 1
    s.new_rate[at] = p.flow_alone[flow]
    _predict_end(s, at, now)
    c.next_end_ps = min(c.next_end_ps, s.flow_end_ps[at])


@compiled
def _end_flows(p: FlatProgram, s: KernelState, now: int) -> None:
    c = s.counters[0]
    at = 0
    next_end = NEVER_PS
    while at < c.active:
        if s.flow_end_ps[at] != now:
            next_end = min(next_end, s.flow_end_ps[at])
            at += 1
            continue
        if _count_demand(p, s, s.flow[at], -1):
            c.contention_changed = 1
        _leave_event(p, s, p.flow_lane[s.flow[at]], now)
        c.active -= 1
        last = c.active
        s.flow[at] = s.flow[last]
        s.remaining[at] = s.remaining[last]
        s.rate[at] = s.rate[last]
        s.anchor_ps[at] = s.anchor_ps[last]
        s.flow_end_ps[at] = s.flow_end_ps[last]
    c.next_end_ps = next_end


@compiled
def _predict_end(s: KernelState, at: int, now: int) -> None:
    """A flow whose rate changes is re-anchored at `now`: what is counted is what remains."""
    if now > s.anchor_ps[at]:
        s.remaining[at] -= s.rate[at] * (now - s.anchor_ps[at])
    s.anchor_ps[at] = now
    s.rate[at] = s.new_rate[at]
    left_ps = np.ceil(s.remaining[at] / s.rate[at] - _ROUNDING_PS)
    s.flow_end_ps[at] = now + int(min(max(left_ps, 0.0), float(LONGEST_PS)))


@compiled
def _share_anew(p: FlatProgram, s: KernelState, now: int) -> None:
    c = s.counters[0]
    _fill(p, s, _open_flows(p, s))
    c.next_end_ps = NEVER_PS
    for at in range(c.active):
        if s.new_rate[at] != s.rate[at]:
            _predict_end(s, at, now)
        c.next_end_ps = min(c.next_end_ps, s.flow_end_ps[at])
    for index in range(c.contended):
        s.level[s.contended[index]] = math.inf
    c.contended = 0
    c.contention_changed = 0


@compiled
def _open_flows(p: FlatProgram, s: KernelState) -> int:
    """Collect the flows over contended resources (their number returned), and those resources."""
    count = 0
    for at in range(s.counters[0].active):
        flow = s.flow[at]
        s.new_rate[at] = p.flow_alone[flow]
        route = p.flow_route[flow]
        first = p.route_start[route]
        is_open = False
        for hop in range(p.route_start[route + 1] - first):
            resource = p.route_resource[first + hop]
            if _is_contended(s, resource):
                is_open = True
                if s.level[resource] == math.inf:
                    s.level[resource] = 0.0
                    s.contended[s.counters[0].contended] = resource
                    s.counters[0].contended += 1
                    s.weight[resource] = 0.0
                    s.used[resource] = 0.0
                    s.frozen[resource] = 0.0
                s.weight[resource] += _coefficient(p, flow, first + hop)
        if is_open:
            s.open[count] = at
            count += 1
    for index in range(s.counters[0].contended):
        resource = s.contended[index]
        s.level[resource] = p.resource_rate[resource] / s.weight[resource]
    return count


@compiled
def _fill(p: FlatProgram, s: KernelState, count: int) -> None:
    """Max-min fair rates by progressive filling: all open flows rise together; the flows that reach
    their rate alone, or cross the resource which fills first, stay at that level; the others go on.

    Sums of coefficients are exact (see flatten.py), and what is frozen at a level is summed before it
    is multiplied, so the rates do not depend on the order of the flows.
    """
    level = 0.0
    while count > 0:
        lowest = math.inf
        for index in range(s.counters[0].contended):
            lowest = min(lowest, s.level[s.contended[index]])
        for index in range(count):
            lowest = min(lowest, p.flow_alone[s.flow[s.open[index]]])
        level = max(level, lowest)  # never below the last one, whatever the rounding
        kept = 0
        for index in range(count):
            at = s.open[index]
            if not _freeze(p, s, s.flow[at], level):
                s.open[kept] = at
                kept += 1
            else:
                s.new_rate[at] = level
        count = kept
        for index in range(s.counters[0].contended):
            resource = s.contended[index]
            if s.frozen[resource] > 0.0:
                s.used[resource] += level * s.frozen[resource]
                s.weight[resource] -= s.frozen[resource]
                s.frozen[resource] = 0.0
                left = p.resource_rate[resource] - s.used[resource]
                s.level[resource] = left / s.weight[resource] if s.weight[resource] > _NO_WEIGHT else _FULL


@compiled
def _freeze(p: FlatProgram, s: KernelState, flow: int, level: float) -> bool:
    """Whether the flow stays at `level`; then its coefficients are marked frozen."""
    route = p.flow_route[flow]
    first = p.route_start[route]
    hops = p.route_start[route + 1] - first
    stays = p.flow_alone[flow] <= level
    for hop in range(hops):
        stays = stays or s.level[p.route_resource[first + hop]] <= level
    if stays:
        for hop in range(hops):
            resource = p.route_resource[first + hop]
            if s.level[resource] < math.inf:
                s.frozen[resource] += _coefficient(p, flow, first + hop)
    return bool(stays)


# -- the heap of arrivals ----------------------------------------------------------------------


@compiled
def _push(s: KernelState, time_ps: int, flow: int) -> None:
    at = s.counters[0].waiting
    s.counters[0].waiting += 1
    while at > 0:
        above = (at - 1) // 2
        if s.heap_ps[above] <= time_ps:
            break
        s.heap_ps[at] = s.heap_ps[above]
        s.heap_flow[at] = s.heap_flow[above]
        at = above
    s.heap_ps[at] = time_ps
    s.heap_flow[at] = flow


@compiled
def _pop(s: KernelState) -> int:
    """The flow that arrives first."""
    first = s.heap_flow[0]
    s.counters[0].waiting -= 1
    size = s.counters[0].waiting
    time_ps, flow = s.heap_ps[size], s.heap_flow[size]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and s.heap_ps[below + 1] < s.heap_ps[below]:
            below += 1
        if s.heap_ps[below] >= time_ps:
            break
        s.heap_ps[at] = s.heap_ps[below]
        s.heap_flow[at] = s.heap_flow[below]
        at = below
    s.heap_ps[at] = time_ps
    s.heap_flow[at] = flow
    return int(first)
