"""Copies between memories of other devices are handed to the source's device, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.engines.sst.graph.traffic import copies_between_others
from moe_cosim.sim.engines.sst.replayed import Replayed, replayed
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import COPY, Program
from tests.sim.engines.sst.machines import switched

MACHINE = switched(2)
KB = 1000


def pair_of(made: ProgramBuilder, source: str, target: str, size: int = 200 * KB) -> tuple:
    return made.read(source, size), made.write(target, size, 1 << 20)


def moved(program: Program) -> set[tuple[int, int, int]]:
    """(source, target, bytes) of every pair of every copy."""
    found = set()
    for event in program.events[program.events["kind"] == COPY]:
        first = int(event["first_access"])
        for source, target in program.accesses[first : first + int(event["accesses"])].reshape(-1, 2):
            found.add((int(source["address"]), int(target["address"]), int(source["bytes"])))
    return found


def timed(asked: Replayed) -> tuple[np.ndarray, np.ndarray]:
    timeline = EmbeddedEngine().run(asked.machine, asked.program)
    return timeline.start_ps[asked.begins], timeline.end_ps[asked.ends]


@pytest.mark.parametrize(("source", "target"), [("gpu0.dram", "gpu0.dram"), ("gpu0.dram", "ndp1.dram")])
def test_a_copy_with_an_end_in_its_device_stays_as_it_is(source: str, target: str) -> None:
    made = ProgramBuilder(MACHINE)
    program = made.copy("gpu0.core.copies", *pair_of(made, source, target)).build()
    asked = replayed(MACHINE, program)
    assert asked.machine is MACHINE
    assert asked.program is program
    assert asked.begins.tolist() == asked.ends.tolist() == [0]


def test_a_copy_of_nothing_between_others_is_no_copy() -> None:
    made = ProgramBuilder(MACHINE)
    program = made.copy("gpu0.core.copies", *pair_of(made, "ndp0.dram", "ndp1.dram", 0)).build()
    assert replayed(MACHINE, program).program is program


@pytest.mark.parametrize(
    ("source", "target"), [("ndp0.dram", "ndp1.dram"), ("ndp1.dram", "ndp0.dram"), ("ndp0.dram", "ndp0.dram")]
)
def test_pairs_between_others_move_to_the_sources_device_and_all_else_stays(source: str, target: str) -> None:
    made = ProgramBuilder(MACHINE).compute("gpu0.core.copies", 5)
    made.copy("gpu0.core.copies", *pair_of(made, "gpu0.dram", "ndp0.dram", 64), *pair_of(made, source, target))
    made.compute("gpu0.core.copies", 7)
    program = made.build()
    asked = replayed(MACHINE, program)
    asked.program.validate()
    assert asked.program.lanes == asked.machine.lanes
    assert moved(asked.program) == moved(program)
    assert copies_between_others(asked.machine, asked.program, asked.layout) == {}
    mover = asked.machine.units[f"{source}.for-gpu0.core-to-{target}"]
    assert asked.layout.device_of_unit(mover.name) == asked.layout.device_of_memory(source)
    assert len(asked.layout.devices) == len(replayed(MACHINE, ProgramBuilder(MACHINE).build()).layout.devices)


def test_it_takes_as_long_as_the_description_says() -> None:
    """And the way between mover and memory, where source and target are as far apart as unit and target."""
    made = ProgramBuilder(MACHINE)
    made.copy("gpu0.core.copies", *pair_of(made, "ndp0.dram", "ndp1.dram"), setup_ps=3_000)
    made.copy("gpu0.core.copies", *pair_of(made, "ndp1.dram", "gpu0.dram"))
    program = made.build()
    plain = EmbeddedEngine().run(MACHINE, program)
    asked = replayed(MACHINE, program)
    start, end = timed(asked)
    assert start[1] == end[0]
    inside_ps = 2 * asked.machine.path("ndp0.dram.for-gpu0.core-to-ndp1.dram", "ndp0.dram").latency_ps
    assert (end - start).tolist() == (plain.end_ps - plain.start_ps + [inside_ps, 0]).tolist()


def test_neighbours_far_from_the_unit_take_the_latency_of_its_own_ways() -> None:
    machine = build_machine("h100-cxl-ndp-16-spine", Assumptions())
    made = ProgramBuilder(machine)
    program = made.copy("gpu.dma.weights", *pair_of(made, "ndp0.dram", "ndp1.dram")).build()
    start, end = timed(replayed(machine, program))
    assert (start[0], end[0]) == (0, EmbeddedEngine().run(machine, program).total_ps)


def test_copies_of_two_lanes_go_on_side_by_side() -> None:
    made = ProgramBuilder(build_machine("h100-cxl-ndp-16-spine", Assumptions()))
    machine = build_machine("h100-cxl-ndp-16-spine", Assumptions())
    made.copy("gpu.dma.weights", *pair_of(made, "ndp0.dram", "ndp9.dram"))
    made.copy("gpu.dma.prefetch", *pair_of(made, "ndp0.dram", "ndp9.dram"))
    made.copy("gpu.dma.prefetch", *pair_of(made, "ndp4.dram", "ndp0.dram"))
    program = made.build()
    asked = replayed(machine, program)
    start, end = timed(asked)
    assert start[0] == start[np.flatnonzero(program.events["lane"] == program.events["lane"][-1])[0]] == 0
    assert (end > start).all()
    plain = EmbeddedEngine().run(machine, program)
    assert end.max() == pytest.approx(plain.total_ps, rel=0.02)
