"""What SST's back ends take of a memory in the place of what its description says."""

from __future__ import annotations

from typing import Final

from moe_cosim.assumptions import Assumption
from moe_cosim.hw_models.dram.mix import mix_factors
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst import ramulator
from moe_cosim.sim.engines.sst.graph.memories import MemoryTiming

_NO_MIXES: Final = (
    "memory: shares: of what its flows reach alone, what a memory gives to a mix of streams, reads and writes; the "
    "timing model of its DRAM says as little as the range, and the embedded engine follows it"
)
_NO_GAPS: Final = (
    "memory: timing: memHierarchy's timingDRAM knows rows, banks and a data bus, no refresh, tRAS, tFAW, tCCD_L, tWTR "
    "or tRTW, and deals blocks to banks by a mapping of its own"
)


def assumed(machine: Machine, memory: MemoryTiming) -> list[Assumption]:
    """Of memories whose DRAM is known: of the others nothing is said that a back end could leave out."""
    known = [each for each in machine.memory_list if each.dram is not None and each.kind != "cache"]
    if memory == "ramulator2":
        return ramulator.assumed(machine)
    if memory == "timing" and known:
        return [Assumption("sst-dram-gaps", "rows and banks", ("rows and banks",), _NO_GAPS, "choice")]
    if memory == "shares" and known:
        found = [factors for each in known if (factors := mix_factors(each)) is not None]
        least = min(float(min(factors.by_streams.min(), *factors.scattered)) for factors in found)
        return [Assumption("sst-mix-factor", 1.0, (round(least, 3), 1.0), _NO_MIXES)]
    return []
