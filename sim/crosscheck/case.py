"""A named program on a machine that both engines run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst.graph.dram_backends import commands
from moe_cosim.sim.engines.sst.graph.memories import MemoryTiming
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import Program

Build = Callable[[], tuple[Machine, Program]]
Fill = Callable[[ProgramBuilder], None]

UNREFRESHED: Final = ".unrefreshed"
"""Behind the name of the run of a case whose memories are never refreshed."""


@dataclass(frozen=True)
class Case:
    """`build` makes machine and program anew, always the same."""

    name: str
    says: str
    """One line: what the engines must agree about."""
    build: Build
    line_bytes: int = 256
    memory: MemoryTiming = "shares"
    """What times the memories in SST."""
    why: str = ""
    """Why that and no other; empty where memories are given shares."""
    unrefreshed: Build | None = None
    """The same on memories that are never refreshed, where single events are compared; None: they are on those above.

    A refresh of 200 ns meets a kernel of 200 ns or misses it, so once the clocks of two engines are some 50 ns apart it
    meets the kernel of one of them alone. That says nothing of either; totals are compared with refreshes.
    """

    @property
    def runs(self) -> tuple[Case, ...]:
        """What both engines run of it: the case, and where there is one its run without refreshes."""
        if self.unrefreshed is None:
            return (self,)
        return self, replace(self, name=self.name + UNREFRESHED, build=self.unrefreshed, unrefreshed=None)


class CaseTable:
    """The cases of one module, in the order in which they are defined."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def add(
        self, name: str, says: str, machine: Callable[[], Machine], line_bytes: int = 256
    ) -> Callable[[Fill], Fill]:
        """Decorator: a case whose program the function writes, on the machine that `machine` builds."""

        def add(fill: Fill) -> Fill:
            def build() -> tuple[Machine, Program]:
                built = machine()
                builder = ProgramBuilder(built)
                fill(builder)
                return built, builder.build()

            self.cases.append(Case(name, says, build, line_bytes))
            return fill

        return add


def fingerprint(machine: Machine, program: Program, told_dram: bool = False) -> str:
    """Of everything an engine reads; a recording of another program is not about this one.

    `told_dram`: SST is told organisation and timings of the memories, and no share that they reach.
    """
    digest = hashlib.sha256()
    for unit in machine.units.values():
        queue = (unit.command_bytes,) if unit.command_bytes else ()
        digest.update(repr((unit.name, unit.lanes, unit.window_bytes, *queue)).encode())
    for memory in machine.memories.values():
        place = (memory.name, memory.base_address, memory.capacity_bytes, memory.channels, memory.interleave_bytes)
        if told_dram and memory.dram is not None:
            speed: object = sorted(commands(memory, memory.dram).items())
        else:
            share = memory.efficiency
            speed = (memory.peak_bytes_per_s, memory.latency_ps, share.block_bytes, share.read, share.write)
        if memory.flash is not None:
            speed = (speed, memory.flash)
        digest.update(repr((place, speed)).encode())
    for link in machine.links.values():
        protocol = (link.protocol,) if link.protocol else ()
        digest.update(repr((link.name, link.ends, link.bytes_per_s, link.latency_ps, *protocol)).encode())
    for switch in machine.switches.values():
        heads = (True,) if switch.multi_headed else ()
        digest.update(repr((switch.name, switch.bytes_per_s, switch.latency_ps, *heads)).encode())
    for peer in machine.peers.values():
        digest.update(repr((peer.name, peer.members, peer.bytes_per_s, peer.latency_ps)).encode())
    accesses = program.accesses
    if told_dram:  # nothing there looks at the pieces that an access consists of
        accesses = accesses.copy()
        accesses["block_bytes"] = 0
    for table in (program.events, accesses):
        digest.update(table.tobytes())
    return digest.hexdigest()[:16]
