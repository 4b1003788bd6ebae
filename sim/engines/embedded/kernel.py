"""The compiled kernel: lanes, flows and the rates at which flows share resources.

Only flows need a common clock. A lane runs ahead of it, because when its next events end is known
from its own time and from signals whose times are known; it stops at traffic or at a signal that
has no time yet. One heap holds when flows begin (their latency is over) and when those that move
bytes end at their present rates.

Most resources cannot bind: what their flows reach alone fits. A flow over such resources only has
its rate alone, and its coming and going concerns nobody else. A *contended* resource is disturbed
when a flow comes or goes, and then the flows of its component are given rates anew: those which
cross it, those which cross another contended resource of theirs, and so on. Nobody else's rate can
change. Demand and weights are counted in integers, so that neither contention nor rates depend on
the order of the flows.

One file on purpose: Numba's cache notices a change of the file a compiled function is in, not of the
files of those it calls. And no array is made here (see `moe_cosim.compiled`).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from moe_cosim.compiled import compiled, compiled_part
from moe_cosim.sim.engines.embedded.flatten import FlatProgram
from moe_cosim.sim.engines.embedded.state import DEMAND_GRID, DEMAND_LIMIT, KernelState
from moe_cosim.sim.engines.embedded.tables import COEFFICIENT_ONE, FIRST, LONGEST_PS, SECOND
from moe_cosim.sim.engines.timeline import LATENCY_BOUND, TRAFFIC_BOUND
from moe_cosim.workloads.program import COMPUTE, SIGNAL, WAIT

RUNNING: Final = 0
OVER: Final = 1
"""Nothing moves and no lane can go on: all has ended, or never will. Or the next is past `LONGEST_PS`."""
SHORT: Final = 2
"""A lane that gates has no event left: go on with those of the next block."""
LATE: Final = 3
"""A lane went on at a time that is past for the others (see `engine.py`)."""

_ROUNDING_PS: Final = 1e-3
"""A flow that ends this little after a whole picosecond ends at it: rounding errors of float64
(1e-4 ps in a second) must not decide about a picosecond."""

SETTLED: Final = 0
AGAIN: Final = 1
TANGLED: Final = 2
"""How an attempt at new rates ended: it did; more flows are chosen; or only all of the component can tell."""

_FEW: Final = 8
"""Among so few flows it is not worth the while to find out whom a change concerns."""

_FULL: Final = 1e300
"""Level of a contended resource all of whose flows have their rate: above any rate, but finite."""


@compiled
def advance(p: FlatProgram, s: KernelState, events: int) -> int:
    """Go on until about `events` more events have ended: RUNNING, or why not."""
    c = s.counters[0]
    limit = c.ended + events
    while True:
        while c.ready > 0:
            c.ready -= 1
            _run_lane(p, s, s.ready[c.ready])
        if c.late > 0:
            return LATE
        if c.short > 0:
            return SHORT
        while c.waiting > 0 and s.heap[0].key == 2 * c.now_ps + 1:
            _begin_flows(p, s, _pop(s))
        if c.begun > 0 or c.disturbed > 0:
            _share_anew(s)
        if c.ended >= limit:
            return RUNNING
        if c.waiting == 0 or s.heap[0].key >= 2 * LONGEST_PS:
            return OVER
        c.now_ps = s.heap[0].key >> 1
        while c.waiting > 0 and s.heap[0].key == 2 * c.now_ps:
            _end_flow(p, s, _pop(s))


# -- lanes -------------------------------------------------------------------------------------


@compiled_part
def _run_lane(p: FlatProgram, s: KernelState, at: int) -> None:
    """Events of the lane up to the first whose end is not known yet."""
    c = s.counters[0]
    lane = s.lane[at]
    first = lane.next
    now = lane.time_ps
    row = first
    while row < lane.end and now < LONGEST_PS:
        event = p.events[row]
        s.start_ps[row] = now
        if event.kind == SIGNAL:
            token = np.int64(event.token) - p.first_token
            s.token_missing[token] -= 1
            if s.token_missing[token] == 0:
                waiter = s.token_waiter[token]
                while waiter >= 0:
                    s.ready[c.ready] = waiter
                    c.ready += 1
                    waiter = s.lane[waiter].after
        elif event.kind == WAIT:
            token = np.int64(event.token) - p.first_token
            if s.token_missing[token] > 0:
                lane.after = s.token_waiter[token]
                s.token_waiter[token] = at
                break
            for index in range(p.token_start[token], p.token_start[token + 1]):
                signal = p.token_signal[index]
                latency_ps = p.unit_latency_ps[s.lane[p.events[signal].lane].unit, lane.unit]
                arrives = s.end_ps[signal] + latency_ps
                if arrives > now:  # of equal arrivals the first: that of the lowest lane
                    now = arrives
                    s.bound[row] = LATENCY_BOUND
                    s.last_signal[row] = signal
            signals = p.token_start[token + 1] - p.token_start[token]
            if np.int64(event.count) > signals and s.start_ps[row] < c.forgotten_ps and now <= c.forgotten_ps:
                c.late = at + 1
        else:
            setup_ps = np.int64(event.setup_ps)
            flow, end = p.first_flow[row], p.first_flow[row + 1]
            if event.kind != COMPUTE and flow < end:
                lane.flows = end - flow
                _send(p, s, at, flow, end, now + setup_ps)
                break
            now += setup_ps + np.int64(event.busy_ps)
        s.end_ps[row] = now
        row += 1
    if row == lane.end and lane.gates > 0:
        c.short = 1
    c.ended += row - first
    lane.next = row
    lane.time_ps = now


@compiled_part
def _send(p: FlatProgram, s: KernelState, lane: int, flow: int, end: int, time_ps: int) -> None:
    """Flows of an event on their way: those next to each other with equal latency arrive together."""
    c = s.counters[0]
    while flow < end:
        latency_ps = p.route[p.flow[flow].route].latency_ps
        c.free -= 1
        at = s.free[c.free]
        slot = s.slot[at]
        slot.lane = lane
        slot.flow = flow
        while flow < end and p.route[p.flow[flow].route].latency_ps == latency_ps:
            flow += 1
        slot.flows = flow - slot.flow
        if time_ps + latency_ps < c.now_ps:
            c.late = lane + 1
        c.waiting += 1
        _settle(s, c.waiting - 1, 2 * (time_ps + latency_ps) + 1, at)


# -- flows -------------------------------------------------------------------------------------


@compiled_part
def _begin_flows(p: FlatProgram, s: KernelState, at: int) -> None:
    c = s.counters[0]
    first, flows, lane = s.slot[at].flow, s.slot[at].flows, s.slot[at].lane
    longest = len(s.crossing) // len(s.slot)
    for index in range(first, first + flows):
        if index > first:
            c.free -= 1
            at = s.free[c.free]
        flow = p.flow[index]
        route = p.route[flow.route]
        slot = s.slot[at]
        slot.lane = lane
        slot.remaining = flow.bytes
        slot.rate = 0.0
        slot.alone = flow.alone
        slot.repeats = 0
        slot.anchor_ps = c.now_ps
        slot.crossings = route.hops
        s.begun[c.begun] = at
        c.begun += 1
        for hop in range(route.hops):
            side = p.hop[route.first_hop + hop].side
            weight = np.int64(COEFFICIENT_ONE)
            if side == FIRST:
                weight = flow.first_weight
            elif side == SECOND:
                weight = flow.second_weight
            demand = int(min(np.ceil(flow.alone * (weight / COEFFICIENT_ONE) * DEMAND_GRID), DEMAND_LIMIT))
            number = p.hop[route.first_hop + hop].resource
            resource = s.resource[number]
            place = at * longest + hop
            crossing = s.crossing[place]
            crossing.resource = number
            crossing.weight = weight
            crossing.demand = demand
            crossing.next = resource.first
            crossing.previous = -1
            if resource.first >= 0:
                s.crossing[resource.first].previous = place
            resource.first = place
            resource.users += 1
            resource.demand += demand
            resource.weight += weight
            _disturb(s, number)


@compiled_part
def _end_flow(p: FlatProgram, s: KernelState, at: int) -> None:
    """The flow is over; with the last one of its event the event ends, at its floor at least."""
    c = s.counters[0]
    longest = len(s.crossing) // len(s.slot)
    for place in range(at * longest, at * longest + s.slot[at].crossings):
        crossing = s.crossing[place]
        _disturb(s, crossing.resource)
        resource = s.resource[crossing.resource]
        resource.users -= 1
        resource.demand -= crossing.demand
        resource.weight -= crossing.weight
        if crossing.next >= 0:
            s.crossing[crossing.next].previous = crossing.previous
        if crossing.previous >= 0:
            s.crossing[crossing.previous].next = crossing.next
        else:
            resource.first = crossing.next
    s.free[c.free] = at
    c.free += 1
    lane = s.lane[s.slot[at].lane]
    lane.flows -= 1
    if lane.flows == 0:
        row = lane.next
        end = s.start_ps[row] + np.int64(p.events[row].setup_ps) + np.int64(p.events[row].busy_ps)
        if c.now_ps > end:
            end = c.now_ps
            s.bound[row] = TRAFFIC_BOUND
        s.end_ps[row] = end
        c.ended += 1
        lane.next = row + 1
        lane.time_ps = end
        s.ready[c.ready] = s.slot[at].lane
        c.ready += 1


@compiled_part
def _is_contended(s: KernelState, number: int) -> bool:
    resource = s.resource[number]
    return bool(resource.users > 1 and resource.demand > resource.limit)


@compiled_part
def _disturb(s: KernelState, number: int) -> None:
    """A flow has come to the resource, or is about to go."""
    c = s.counters[0]
    if s.resource[number].disturbed == 0 and _is_contended(s, number):
        s.resource[number].disturbed = 1
        s.disturbed[c.disturbed] = number
        c.disturbed += 1


# -- rates -------------------------------------------------------------------------------------


@compiled_part
def _share_anew(s: KernelState) -> None:
    """Rates for the flows that disturbed resources held back, for those that have begun, and for whom that concerns."""
    c = s.counters[0]
    c.mark += 1
    c.chosen = 0
    c.reached = 0
    for index in range(c.disturbed):
        number = s.disturbed[index]
        s.resource[number].disturbed = 0
        _choose_held(s, number)
        s.resource[number].full_at = s.resource[number].filled = math.inf
    c.disturbed = 0
    outcome = SETTLED
    if c.chosen > 0:
        outcome = AGAIN if c.waiting + c.begun > _FEW else TANGLED
    while outcome != SETTLED:
        if outcome == TANGLED:
            index = 0
            while index < c.reached:
                _choose_users(s, s.reached[index], 0.0)
                index += 1
        outcome = _fill(s, outcome == TANGLED)
    for index in range(c.chosen):
        at = s.chosen[index]
        if s.slot[at].rate != s.slot[at].new_rate:
            _set_rate(s, at, s.slot[at].new_rate)
    for index in range(c.begun):
        at = s.begun[index]
        if s.slot[at].rate == 0.0:
            _set_rate(s, at, s.slot[at].alone)
    c.begun = 0


@compiled_part
def _choose(s: KernelState, at: int) -> None:
    """The flow gets a new rate, and the contended resources on its way are looked at."""
    c = s.counters[0]
    if s.slot[at].mark == c.mark:
        return
    s.slot[at].mark = c.mark
    s.chosen[c.chosen] = at
    c.chosen += 1
    longest = len(s.crossing) // len(s.slot)
    for place in range(at * longest, at * longest + s.slot[at].crossings):
        number = s.crossing[place].resource
        if s.resource[number].mark != c.mark and _is_contended(s, number):
            s.resource[number].mark = c.mark
            s.resource[number].filled = s.resource[number].full_at
            s.reached[c.reached] = number
            c.reached += 1


@compiled_part
def _choose_users(s: KernelState, number: int, above: float) -> None:
    """All flows of the resource whose rate is above this one."""
    place = s.resource[number].first
    while place >= 0:
        at = place // (len(s.crossing) // len(s.slot))
        if s.slot[at].rate > above or s.slot[at].rate == 0.0:
            _choose(s, at)
        place = s.crossing[place].next


@compiled_part
def _choose_held(s: KernelState, number: int) -> None:
    """Flows of the resource that have just begun, or that nothing but this resource is known to hold back."""
    c = s.counters[0]
    longest = len(s.crossing) // len(s.slot)
    place = s.resource[number].first
    while place >= 0:
        at = place // longest
        slot = s.slot[at]
        if slot.rate == 0.0 or slot.rate == s.resource[number].full_at:
            held = slot.rate == slot.alone
            for other in range(at * longest, at * longest + slot.crossings):
                resource = s.resource[s.crossing[other].resource]
                now = resource.filled if resource.mark == c.mark else resource.full_at
                held = held or (s.crossing[other].resource != number and now == slot.rate)
            if not held:
                _choose(s, at)
        place = s.crossing[place].next


@compiled_part
def _fill(s: KernelState, everybody: bool) -> int:
    """Max-min fair rates by progressive filling: all chosen flows rise together; the flows that reach
    their rate alone, or cross the resource which fills first, stay at that level; the others go on.

    Weights are integers, and what is frozen at a level is summed before it is multiplied, so the
    rates do not depend on the order of the flows.
    """
    c = s.counters[0]
    longest = len(s.crossing) // len(s.slot)
    resources, flows = c.reached, c.chosen
    for index in range(resources):
        resource = s.resource[s.reached[index]]
        resource.level = resource.rate / (resource.weight / COEFFICIENT_ONE)
        resource.open = resource.weight
        resource.used = 0.0
        resource.frozen = 0
        resource.filled = math.inf
        resource.given = math.inf if everybody else _freeze_given(s, s.reached[index], 0.0)
    for index in range(flows):
        s.open[index] = s.chosen[index]
    level = 0.0
    outcome = SETTLED
    while outcome == SETTLED:
        lowest = _FULL
        for index in range(resources):
            resource = s.resource[s.reached[index]]
            lowest = min(lowest, min(resource.level, resource.given))
        for index in range(flows):
            lowest = min(lowest, s.slot[s.open[index]].alone)
        if lowest >= _FULL:
            break
        repeats = lowest <= level
        if repeats and not everybody:
            outcome = TANGLED
        level = max(level, lowest)  # never below the last one, whatever the rounding
        kept = 0
        for index in range(flows):
            at = s.open[index]
            crossings = range(at * longest, at * longest + s.slot[at].crossings)
            stays = s.slot[at].alone <= level
            for place in crossings:
                stays = stays or s.resource[s.crossing[place].resource].level <= level
            if not stays:
                s.open[kept] = at
                kept += 1
                continue
            for place in crossings:
                s.resource[s.crossing[place].resource].frozen += s.crossing[place].weight
            s.slot[at].new_rate = level
            s.slot[at].repeats = repeats
        flows = kept
        for index in range(resources):
            resource = s.resource[s.reached[index]]
            if resource.given == level:
                resource.given = _freeze_given(s, s.reached[index], level)
                if resource.given < 0.0:
                    outcome = TANGLED
            is_full = resource.level <= level
            if is_full:
                resource.filled = level
            if resource.frozen > 0:
                resource.used += level * (resource.frozen / COEFFICIENT_ONE)
                resource.open -= resource.frozen
                resource.frozen = 0
                left = resource.rate - resource.used
                resource.level = left / (resource.open / COEFFICIENT_ONE) if resource.open > 0 else _FULL
            if is_full and resource.open > 0 and outcome == SETTLED:  # others have more than is left for them
                outcome = AGAIN
                _choose_users(s, s.reached[index], level)
    if outcome == SETTLED and not everybody:
        chosen = c.chosen
        for index in range(resources):
            _choose_held(s, s.reached[index])
        outcome = AGAIN if c.chosen > chosen else SETTLED
    for index in range(resources):
        resource = s.resource[s.reached[index]]
        resource.level = math.inf
        if outcome == SETTLED:
            resource.full_at = resource.filled
    return outcome


@compiled_part
def _freeze_given(s: KernelState, number: int, level: float) -> float:
    """Flows of the resource that keep their rate, and have this one, are frozen. Returns the next higher rate that
    such a flow has, or infinity; less than 0 where it is unknown at which repetition of the level one was frozen."""
    mark = s.counters[0].mark
    above = math.inf
    place = s.resource[number].first
    while place >= 0:
        slot = s.slot[place // (len(s.crossing) // len(s.slot))]
        if slot.mark != mark:
            if slot.repeats > 0:
                return -1.0
            if slot.rate == level:
                s.resource[number].frozen += s.crossing[place].weight
            elif slot.rate > level:
                above = min(above, slot.rate)
        place = s.crossing[place].next
    return above


@compiled_part
def _set_rate(s: KernelState, at: int, rate: float) -> None:
    """A flow whose rate changes is re-anchored now: what is counted is what remains."""
    c = s.counters[0]
    slot = s.slot[at]
    place = slot.place
    if slot.rate == 0.0:  # it has just begun
        place = c.waiting
        c.waiting += 1
    elif c.now_ps > slot.anchor_ps:
        slot.remaining -= slot.rate * (c.now_ps - slot.anchor_ps)
    slot.anchor_ps = c.now_ps
    slot.rate = rate
    left_ps = np.ceil(slot.remaining / rate - _ROUNDING_PS)
    _settle(s, place, 2 * (c.now_ps + int(min(max(left_ps, 0.0), float(LONGEST_PS)))), at)


# -- the heap ----------------------------------------------------------------------------------


@compiled_part
def _settle(s: KernelState, place: int, key: int, at: int) -> None:
    """The slot gets this key; `place` in the heap is its own, or free."""
    size = s.counters[0].waiting
    while place > 0:
        above = (place - 1) // 2
        if s.heap[above].key <= key:
            break
        s.heap[place].key = s.heap[above].key
        s.heap[place].slot = s.heap[above].slot
        s.slot[s.heap[above].slot].place = place
        place = above
    while 2 * place + 1 < size:
        below = 2 * place + 1
        if below + 1 < size and s.heap[below + 1].key < s.heap[below].key:
            below += 1
        if s.heap[below].key >= key:
            break
        s.heap[place].key = s.heap[below].key
        s.heap[place].slot = s.heap[below].slot
        s.slot[s.heap[below].slot].place = place
        place = below
    s.heap[place].key = key
    s.heap[place].slot = at
    s.slot[at].place = place


@compiled_part
def _pop(s: KernelState) -> int:
    """The slot whose time comes first."""
    first = s.heap[0].slot
    s.counters[0].waiting -= 1
    size = s.counters[0].waiting
    if size > 0:
        top: Any = np.int64(0)  # declared, so that `_settle` is compiled once
        _settle(s, top, s.heap[size].key, s.heap[size].slot)
    return int(first)
