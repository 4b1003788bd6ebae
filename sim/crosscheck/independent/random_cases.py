"""Programs drawn at random, by seeds that are kept: kernels, copies, computes and tokens on a few machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import Case
from moe_cosim.sim.crosscheck.cases.transfers import catalog_machine
from moe_cosim.sim.crosscheck.independent.told import COMMANDS, by_timing_alone, with_memories, with_unrefreshed_run
from moe_cosim.workloads.programs.builder import Access, ProgramBuilder
from moe_cosim.workloads.programs.program import Program

SEEDS: Final = tuple(range(1, 17))
_MACHINES: Final = ("h100-cxl-ndp", "h100-cxl-ndp-4", "h100-host", "h100-host-pcie4")
_EVENTS: Final = 8
"""Of a lane."""
_COPIES: Final = "gpu."
"""Units that copy between devices: where two devices copy in one direction, SST has two ports for one link
(docs/sst-engine.md)."""
_LEAST_BYTES, _MOST_BYTES = 64 << 10, 2 << 20
_REGION_BYTES: Final = 4 << 20
"""Of each access, so that none overlap."""


def random_cases() -> list[Case]:
    """One for each of `SEEDS`."""
    return [_case(seed) for seed in SEEDS]


def _case(seed: int) -> Case:
    machine = _MACHINES[seed % len(_MACHINES)]

    def build() -> tuple[Machine, Program]:
        built = with_memories(catalog_machine(machine)(), by_timing_alone)
        return built, random_program(built, seed)

    says = f"kernels, copies and tokens drawn at random on {machine}"
    return with_unrefreshed_run(Case(f"random-{seed}", says, build, memory="commands", why=COMMANDS))


def random_program(machine: Machine, seed: int) -> Program:
    """The same for the same seed. Lanes are given events in turn; a token is signalled before it is waited for."""
    random = np.random.default_rng(seed)
    builder = ProgramBuilder(machine)
    places: dict[str, int] = {}
    lanes = [(unit, f"{unit.name}.{lane}") for unit in machine.units.values() for lane in unit.lanes]
    lanes = [lanes[int(index)] for index in random.permutation(len(lanes))[:4]]
    memories = [memory.name for memory in machine.memory_list if memory.kind != "cache"]
    token = 0

    def access(make: Callable[[str, int, int], Access], memory: str, size: int) -> Access:
        places[memory] = places.get(memory, 0) + 1
        return make(memory, size, places[memory] * _REGION_BYTES)

    def size() -> int:
        return int(np.exp(random.uniform(np.log(_LEAST_BYTES), np.log(_MOST_BYTES)))) // 256 * 256

    for _ in range(_EVENTS):
        for unit, lane in lanes:
            draw = random.random()
            if unit.model is None or draw < 0.2:
                source, target = unit.local_memory, memories[int(random.integers(len(memories)))]
                if not unit.name.startswith(_COPIES):
                    target = source
                if random.random() < 0.5:
                    source, target = target, source
                bytes_ = size()
                builder.copy(lane, access(builder.read, source, bytes_), access(builder.write, target, bytes_))
            elif draw < 0.75:
                reads = [access(builder.read, unit.local_memory, size()) for _ in range(int(random.integers(1, 3)))]
                writes = [access(builder.write, unit.local_memory, size() // 1024 * 256)] if draw < 0.4 else []
                builder.stream(lane, *reads, *writes)
            elif draw < 0.85:
                builder.compute(lane, busy_ps=int(random.integers(100_000, 1_000_000)))
            else:
                other = lanes[int(random.integers(len(lanes)))][1]
                builder.signal(lane, token)
                if other != lane:
                    builder.wait(other, token)
                token += 1
    return builder.build()
