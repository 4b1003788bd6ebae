"""Which flows of other events are in the banks of a flow that begins.

Two that are as fast as each other alone are so together, and stay as far apart as they are; of others one overtakes the
other, and all distances come alike.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from moe_cosim.compiled import compiled_part
from moe_cosim.sim.engines.embedded.dram.meeting import time_together
from moe_cosim.sim.engines.embedded.state import KernelState

_MOST: Final = 8
"""Among more flows it is not worth the while to look where each is."""
_AS_FAST: Final = 0.8
"""Of the faster's rate alone."""


@compiled_part
def meet_others(clock: Any, s: KernelState, at: int) -> bool:
    """The flow in slot `at`, which begins, is in the banks of flows of other events in its first memory, and they are
    in its banks: those that came before it. To be called for all that begin at one time, once all are there. Whether
    it meets any."""
    longest = len(s.crossing) // len(s.slot)
    this, mine = s.slot[at], s.crossing[at * longest]
    resource = s.resource[mine.resource]
    if mine.scattered > 0 or not 1 < resource.users <= _MOST:
        return False
    now_ps = s.counters[0].now_ps
    begins = this.offset + this.bytes - int(this.remaining)  # as of the others: behind what it need not move
    total = 0
    place = mine.next
    while place >= 0:
        theirs, slot = s.crossing[place], s.slot[place // longest]
        if place % longest == 0 and slot.lane != this.lane and theirs.scattered == 0:
            left = slot.remaining - slot.rate * (now_ps - slot.anchor_ps)
            apart = slot.offset + slot.bytes - int(left) - begins
            share = 1.0 / clock.sets
            if min(slot.alone, this.alone) >= _AS_FAST * max(slot.alone, this.alone):
                share = time_together(np.float64(clock.set_bytes), clock.sets, apart, apart)
            met = int(share * min(theirs.demand, mine.demand))
            theirs.meeting += met
            mine.meeting += met
            total += met
        place = theirs.next
    resource.meeting += 2 * total
    return total > 0
