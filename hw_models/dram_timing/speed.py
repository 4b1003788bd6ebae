"""A standard at another speed than the one its description lists."""

from __future__ import annotations

import math
from dataclasses import replace

from moe_cosim.hw_models.dram_timing.standard import AT_MOST, BURSTS, DramStandard

_ROUNDING = 1e-6
"""So much of a clock is the rounding of float64."""


def at_speed(standard: DramStandard, megatransfers_per_s: float) -> DramStandard:
    """`standard` with data pins that move so much: the clock changes, times stay.

    A timing of the description is so many of its own clocks; here it is as many of the new ones as are no shorter.
    What the standard counts in clocks, and what follows from the length of a burst, stays so many clocks.
    """
    if megatransfers_per_s == standard.megatransfers_per_s:
        return standard
    ratio = megatransfers_per_s / standard.megatransfers_per_s
    stay = {*standard.held_clocks, *BURSTS}
    clocks = {
        name: value if name in stay else max(1, math.ceil(value * ratio - _ROUNDING)) if value else 0
        for name, value in standard.timings.items()
    }
    for less, more in AT_MOST:  # what stays may be longer now than what did not
        clocks[more] = max(clocks[more], clocks[less])
    clocks["tRC"] = max(clocks["tRC"], clocks["tRP"] + 1)
    return replace(standard, megatransfers_per_s=megatransfers_per_s, timings=clocks)
