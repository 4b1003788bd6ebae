"""How long the lines of a flow that its window limits wait where others move too, and what that leaves of its rate.

A flow has no more than its window under way, so it gets window / (unloaded round trip + waits). Two kinds of resources:

Where flows take turns, line by line (channels and ports), a line waits for what is being served, half a line on
average, and for a line of each flow that always has one there: those that their windows do not limit, one at the least
where all of them together want more than there is. Others' limited flows are seldom in the way. A read of DRAM has
before it what those have in the controllers' queues, too.

Where lines are served in order of arrival (over a link with credits, and in the memory behind it), they wait in the
queue M[X]/D/1 before what is narrowest (`moe_cosim.hw_models.cxl.loaded_latency`), of bursts of a line from each flow:
q = s n u / (2 (1 - u)) for n flows, s the time of a line and u the load. The load is what is left of the offered one,
D: u = D L / (L + q) with round trip L, which makes q the root of a quadratic: near the open queue's for small D, near
Little's law for large ones. No more lines than there are credits stand in it. Reads of the memory behind also wait for
rows of others, c(u) (`moe_cosim.hw_models.dram.row_conflicts`); the queue is then that of the round trip L + c, where c
is taken under the load that L alone leaves.

All is found from counts of flows and integer sums, so it does not depend on their order.
"""

from __future__ import annotations

import math

from moe_cosim.compiled import compiled_part
from moe_cosim.hw_models.dram import row_conflicts
from moe_cosim.sim.engines.embedded.state import DEMAND_GRID, KernelState
from moe_cosim.sim.engines.embedded.tables import COEFFICIENT_ONE

_conflict_wait_ps = compiled_part(row_conflicts.conflict_wait_ps)


@compiled_part
def is_contended(s: KernelState, number: int) -> bool:
    """Whether flows may be in each other's way at the resource."""
    resource = s.resource[number]
    return bool(resource.users > 1 and (resource.demand > resource.limit or resource.queues > 0))


@compiled_part
def limited_rate(s: KernelState, at: int) -> float:
    """Bytes per ps that the window of the flow in slot `at` allows now, and everything else alone."""
    slot = s.slot[at]
    longest = len(s.crossing) // len(s.slot)
    waits_ps = 0.0
    for place in range(at * longest, at * longest + slot.crossings):
        crossing = s.crossing[place]
        resource = s.resource[crossing.resource]
        takes_turns = crossing.queue_bytes == 0.0 and slot.limited > 0 and resource.users > 1
        if takes_turns and resource.demand > resource.limit:
            waits_ps += (max(resource.users - resource.limited, 1) + 0.5) * crossing.line_ps
            if crossing.resource == slot.closes:
                standing = min(resource.backlog + resource.backlog_now, resource.queue_bytes)
                waits_ps += standing / resource.rate
    if slot.queues > 0:
        queue_ps = _queue_ps(s, at, slot.turn_ps)
        conflicts_ps = _conflicts_ps(s, at, queue_ps)
        if conflicts_ps > 0.0:
            queue_ps = _queue_ps(s, at, slot.turn_ps + conflicts_ps)
        waits_ps += queue_ps + conflicts_ps
    return float(min(slot.fixed, slot.window / (slot.turn_ps + waits_ps)))


@compiled_part
def _queue_ps(s: KernelState, at: int, turn_ps: float) -> float:
    """That a line of the flow, which takes `turn_ps` without it, waits in order of arrival.

    What is narrowest spaces the lines for the rest.
    """
    longest = len(s.crossing) // len(s.slot)
    longest_ps = 0.0
    for place in range(at * longest, at * longest + s.slot[at].crossings):
        crossing = s.crossing[place]
        if crossing.queue_bytes > 0.0 and is_contended(s, crossing.resource):
            resource = s.resource[crossing.resource]
            offered = resource.offered / DEMAND_GRID / resource.rate * (s.slot[at].turn_ps / turn_ps)
            most_ps = crossing.queue_bytes * (crossing.weight / COEFFICIENT_ONE) / resource.rate - crossing.loop_ps
            longest_ps = max(longest_ps, in_order_ps(turn_ps, offered, crossing.line_ps * resource.users, most_ps))
    return longest_ps


@compiled_part
def _conflicts_ps(s: KernelState, at: int, queue_ps: float) -> float:
    """That a line of the flow waits for rows of others, where lines wait so long in order of arrival: under the load
    which that leaves of the offered one."""
    longest = len(s.crossing) // len(s.slot)
    turn_ps = s.slot[at].turn_ps
    for place in range(at * longest, at * longest + s.slot[at].crossings):
        crossing = s.crossing[place]
        resource = s.resource[crossing.resource]
        if resource.bank_open_ps > 0.0 and crossing.read > 0 and is_contended(s, crossing.resource):
            offered = resource.offered / DEMAND_GRID / (crossing.weight / COEFFICIENT_ONE)
            written = 1.0 - resource.read / resource.offered
            load = offered * turn_ps / (turn_ps + queue_ps)
            return _conflict_wait_ps(load, written, resource.bank_open_ps, resource.reopen_ps, resource.recovery_ps)
    return 0.0


@compiled_part
def in_order_ps(turn_ps: float, offered: float, burst_ps: float, most_ps: float) -> float:
    """Wait in order of arrival, under `offered` load, in bursts that take `burst_ps` to serve; at most `most_ps`."""
    apart = turn_ps * (1.0 - offered)
    root = math.sqrt(apart * apart + 2.0 * burst_ps * offered * turn_ps)
    return max(min((root - apart) / 2.0, most_ps), 0.0)
