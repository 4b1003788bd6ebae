"""The rates at which flows share resources: max-min fair, for those whom a change concerns.

Most resources cannot bind: what their flows reach alone fits. A flow over such resources only has
its rate alone, and its coming and going concerns nobody else. A *contended* resource is disturbed
when a flow comes or goes. Then the flows that it held back are given rates anew, and with them those
who turn out to have more than is left for them, or to be held back no longer; where that does not
settle, all flows that contended resources connect. Nobody else's rate can change. Demand and
weights are counted in integers, so that neither contention nor rates depend on the order of the flows.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from moe_cosim.compiled import compiled_part
from moe_cosim.sim.engines.embedded.dram.mixes import factor_of
from moe_cosim.sim.engines.embedded.flatten import FlatProgram
from moe_cosim.sim.engines.embedded.heap import settle
from moe_cosim.sim.engines.embedded.state import DEMAND_GRID, DEMAND_LIMIT, KernelState
from moe_cosim.sim.engines.embedded.tables import COEFFICIENT_ONE, LONGEST_PS
from moe_cosim.sim.engines.embedded.waiting import is_contended, limited_rate

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


@compiled_part
def disturb(s: KernelState, number: int) -> None:
    """A flow has come to the resource, or is about to go."""
    c = s.counters[0]
    if s.resource[number].disturbed == 0 and is_contended(s, number):
        s.resource[number].disturbed = 1
        s.disturbed[c.disturbed] = number
        c.disturbed += 1


@compiled_part
def mix_anew(p: FlatProgram, s: KernelState, number: int) -> None:
    """The rate of a memory for the flows that cross it now, after one has come or gone (`mixes.py`)."""
    resource = s.resource[number]
    if resource.users > 1 and resource.demand > resource.least:  # else it is not contended, whatever it gives
        factor = factor_of(
            p.mix_streams,
            p.mix_scattered,
            p.mix_together,
            resource.mix,
            resource.streams,
            resource.demand,
            resource.written,
            resource.scattered,
            resource.meeting,
        )
        resource.rate = resource.base * factor
        resource.limit = int(min(resource.rate * DEMAND_GRID, DEMAND_LIMIT))


@compiled_part
def share_anew(s: KernelState) -> None:
    """Rates for the flows that disturbed resources held back, for those that have begun, and for whom that concerns."""
    c = s.counters[0]
    c.mark += 1
    c.chosen = 0
    c.reached = 0
    for index in range(c.disturbed):
        number = s.disturbed[index]
        s.resource[number].disturbed = 0
        if s.resource[number].mix >= 0 and s.resource[number].full_at == math.inf and is_contended(s, number):
            _choose_users(s, number, 0.0)  # a memory that gives less now may have become full
        _choose_held(s, number)
        _choose_limited(s, number)
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
    if s.slot[at].window > 0.0:
        s.slot[at].alone = limited_rate(s, at)
    s.chosen[c.chosen] = at
    c.chosen += 1
    longest = len(s.crossing) // len(s.slot)
    for place in range(at * longest, at * longest + s.slot[at].crossings):
        number = s.crossing[place].resource
        if s.resource[number].mark != c.mark and is_contended(s, number):
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
def _choose_limited(s: KernelState, number: int) -> None:
    """Flows of the resource whose lines wait longer or shorter than they did."""
    if s.resource[number].limited == 0 and s.resource[number].queues == 0:
        return
    place = s.resource[number].first
    while place >= 0:
        at = place // (len(s.crossing) // len(s.slot))
        if s.slot[at].window > 0.0 and limited_rate(s, at) != s.slot[at].alone:
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
    settle(s, place, 2 * (c.now_ps + int(min(max(left_ps, 0.0), float(LONGEST_PS)))), at)
