"""What a case is on a machine whose memories' shares come from the timing model alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from moe_cosim.hw_models.components import Memory
from moe_cosim.hw_models.dram.memory import DramMemory
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.standard import DramStandard
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import Case
from moe_cosim.sim.engines.sst.graph.memories import MemoryTiming
from moe_cosim.workloads.programs.program import Program

COMMANDS: Final = "refresh, the activate window and gaps of a bank group count, which timingDRAM has not"
TIMING: Final = (
    "reads in the order of addresses, where timingDRAM agrees with the reference rows; refresh off on both sides"
)


def by_timing_alone(memory: Memory, refresh: bool = True) -> Memory:
    """`memory` without a measured share in the place of what its timings say."""
    if memory.dram is None:
        return memory
    controller = memory.dram.controller if refresh else replace(memory.dram.controller, refresh="off")
    return with_dram(memory, memory.dram.standard, controller)


def unrefreshed(memory: Memory) -> Memory:
    """`memory`, its refreshes turned off."""
    return by_timing_alone(memory, refresh=False)


def by_shares_alone(memory: Memory) -> Memory:
    """`memory` whose share stands for all that its DRAM does to a read, single refreshes too: what SST is then fed."""
    if memory.dram is None or memory.dram.measured_read is not None:
        return memory
    return replace(memory, dram=replace(memory.dram, measured_read=memory.efficiency.read[-1]))


def with_dram(memory: Memory, standard: DramStandard, controller: Controller) -> Memory:
    """Channels of this standard in the place of what the memory has."""
    dram = DramMemory(standard, controller)
    return replace(
        memory,
        dram=dram,
        peak_bytes_per_s=memory.channels * standard.peak_bytes_per_s,
        efficiency=dram.efficiency(memory.channels, memory.interleave_bytes),
        standard=standard.title,
    )


def with_memories(machine: Machine, change: Callable[[Memory], Memory]) -> Machine:
    """The same machine with each memory changed."""
    memories = [change(memory) for memory in machine.memories.values()]
    units, links, switches = list(machine.units.values()), list(machine.links.values()), list(machine.switches.values())
    peers = list(machine.peers.values())
    return Machine(machine.name, units, memories, links, switches, machine.assumptions, machine.title, peers)


def told_nothing(
    case: Case,
    change: Callable[[Memory], Memory] = by_timing_alone,
    prefix: str = "",
    memory: MemoryTiming = "commands",
    line_bytes: int | None = None,
) -> Case:
    """The case as one of the independent suite."""

    def build() -> tuple[Machine, Program]:
        machine, program = case.build()
        return with_memories(machine, change), program

    why = TIMING if memory == "timing" else COMMANDS
    told = Case(f"{prefix}{case.name}", case.says, build, line_bytes or case.line_bytes, memory, why)
    return told if memory == "timing" else with_unrefreshed_run(told)


def with_unrefreshed_run(case: Case) -> Case:
    """The case, with a run on the same memories without refreshes."""

    def build() -> tuple[Machine, Program]:
        machine, program = case.build()
        return with_memories(machine, unrefreshed), program

    return replace(case, unrefreshed=build)
