"""How long the lines of a flow that its window limits wait where others move too, and what that leaves of its rate.

A flow has no more than its window under way, so it gets window / (unloaded round trip + waits). Two kinds of resources:

Where flows take turns, line by line (channels and ports), a line waits for what is being served, half a line on
average, and for a line of each flow that always has one there: those that their windows do not limit, one at the least
where all of them together want more than there is. Others' limited flows are seldom in the way.

Where lines are served in order of arrival (what is read over a link with credits, and the memory behind it), they wait
in the queue M[X]/D/1 before what is narrowest (`moe_cosim.hw_models.cxl.loaded_latency`), of bursts of a line from each
flow: q = s n u / (2 (1 - u)) for n flows, s the time of a line and u the load. The load is what is left of the offered
one, D: u = D L / (L + q) with round trip L, which makes q the root of a quadratic: near the open queue's for small D,
near Little's law for large ones. No more lines than there are credits stand in it.

All is found from counts of flows and integer sums, so it does not depend on their order.
"""

from __future__ import annotations

import math

from moe_cosim.compiled import compiled_part
from moe_cosim.sim.engines.embedded.state import DEMAND_GRID, KernelState
from moe_cosim.sim.engines.embedded.tables import COEFFICIENT_ONE


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
    waits_ps = queue_ps = 0.0
    for place in range(at * longest, at * longest + slot.crossings):
        crossing = s.crossing[place]
        resource = s.resource[crossing.resource]
        if not is_contended(s, crossing.resource):
            continue
        if crossing.queue_bytes > 0.0:
            here_ps = in_order_ps(
                slot.turn_ps,
                resource.offered / DEMAND_GRID / resource.rate,
                crossing.line_ps * resource.users,
                crossing.queue_bytes * (crossing.weight / COEFFICIENT_ONE) / resource.rate - crossing.loop_ps,
            )
            queue_ps = max(queue_ps, here_ps)  # what is narrowest spaces the lines for the rest
        elif slot.limited > 0 and resource.demand > resource.limit:
            waits_ps += (max(resource.users - resource.limited, 1) + 0.5) * crossing.line_ps
    return float(min(slot.fixed, slot.window / (slot.turn_ps + waits_ps + queue_ps)))


@compiled_part
def in_order_ps(turn_ps: float, offered: float, burst_ps: float, most_ps: float) -> float:
    """Wait in order of arrival, under `offered` load, in bursts that take `burst_ps` to serve; at most `most_ps`."""
    apart = turn_ps * (1.0 - offered)
    root = math.sqrt(apart * apart + 2.0 * burst_ps * offered * turn_ps)
    return max(min((root - apart) / 2.0, most_ps), 0.0)
