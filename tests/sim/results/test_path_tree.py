"""The critical path of blocks that are dropped is that of the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray

from moe_cosim.errors import RunError
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.results.path import path_tree
from moe_cosim.sim.results.path.critical_path import critical_path
from moe_cosim.sim.results.path.path_tree import PathTree
from moe_cosim.sim.results.rows import PathRow
from moe_cosim.testing.engine.machines import one_memory, unit
from moe_cosim.testing.engine.random_programs import RandomCase, cases
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import Program
from tests.drawn import drawn

Blocks = list[tuple[Program, Timeline]]


def cut(program: Program, timeline: Timeline, block: NDArray[np.int64]) -> Blocks:
    """`block` of each event, in no lane ever less than before."""
    rows = [np.flatnonzero(block == which) for which in range(int(block.max(initial=0)) + 1)]
    order = np.empty(len(block), np.int64)
    order[np.concatenate(rows)] = np.arange(len(block))
    parts = timeline.cut(order, [len(mine) for mine in rows])
    return [(replace(program, events=program.events[mine]), part) for mine, part in zip(rows, parts, strict=True)]


def path_of(machine: Machine, blocks: Blocks) -> list[PathRow]:
    tree = PathTree(machine)
    following = [timeline.last_signal for _, timeline in blocks[1:]]
    for (program, timeline), after in zip(blocks, [*following, None], strict=True):
        tree.add(program, timeline, after)
    return tree.rows()


@drawn(80, 300, case=cases(max_steps=30), share=st.lists(st.integers(0, 20), max_size=5), delay=st.sampled_from([0, 3]))
def test_cut_anywhere_it_is_the_path_of_the_whole(case: RandomCase, share: list[int], delay: int) -> None:
    """Also with lanes that lag far behind or begin late, and with an engine that has delays of its own."""
    machine = case.machine()
    program = case.program(machine)
    timeline = EmbeddedEngine().run(machine, program)
    block = np.searchsorted(np.sort(share), 20 * timeline.end_ps / max(timeline.total_ps, 1), side="right")
    if delay:
        times = {name: 7 * getattr(timeline, name) + delay for name in ("start_ps", "end_ps")}
        timeline = replace(timeline, **times)
    assert path_of(machine, cut(program, timeline, block)) == critical_path(machine, program, timeline).rows()


def _idle_lane_asks_for_an_old_signal() -> tuple[Machine, Program, NDArray[np.int64]]:
    """Lane l1 of u begins in the last of four blocks, with a wait that the first block's signal binds."""
    machine = one_memory([unit("u", 2), unit("v")], latency_ps=20)
    builder = ProgramBuilder(machine)
    builder.compute("v.l0", 100).signal("v.l0", 0)
    for _ in range(3):
        builder.compute("u.l0", 500).compute("v.l0", 500)
    builder.wait("u.l1", 0).compute("u.l1", 5_000)
    #                u.l0       u.l1     v.l0
    return machine, builder.build(), np.array([0, 1, 2, 3, 3, 0, 0, 0, 1, 2])


def test_a_lane_that_begins_late_still_finds_an_old_signal() -> None:
    machine, program, block = _idle_lane_asks_for_an_old_signal()
    timeline = EmbeddedEngine().run(machine, program)
    rows = path_of(machine, cut(program, timeline, block))
    assert rows == critical_path(machine, program, timeline).rows()
    assert [(row.unit, row.bound, row.time_ps) for row in rows] == [
        ("u", "compute", 5_000), ("v", "compute", 100), ("u", "signal latency", 40),
    ]  # fmt: skip


def test_a_forgotten_signal_leaves_a_wait_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only beyond a number of branches; nothing is counted twice or left out."""
    monkeypatch.setattr(path_tree, "KEPT_SIGNALS", -1)
    machine, program, block = _idle_lane_asks_for_an_old_signal()
    timeline = EmbeddedEngine().run(machine, program)
    rows = path_of(machine, cut(program, timeline, block))
    assert [(row.unit, row.bound, row.time_ps) for row in rows] == [
        ("u", "compute", 5_000), ("u", "signal latency", 140),
    ]  # fmt: skip


def test_times_without_bounds_have_no_path() -> None:
    machine = one_memory([unit("u")])
    program = ProgramBuilder(machine).compute("u.l0", 5).build()
    exact = EmbeddedEngine().run(machine, program)
    with pytest.raises(RunError, match="does not say what bounds its events"):
        PathTree(machine).add(program, Timeline(exact.start_ps, exact.end_ps), None)


def test_without_tags_there_is_no_phase_and_no_purpose() -> None:
    machine = one_memory([unit("u")])
    program = ProgramBuilder(machine).compute("u.l0", 5).build()
    timeline = EmbeddedEngine().run(machine, program)
    bare = replace(program, tags=program.tags[:0])
    assert [(row.phase, row.purpose, row.time_ps) for row in path_of(machine, [(bare, timeline)])] == [("", "", 5)]
    assert path_of(machine, [(bare, timeline)]) == critical_path(machine, bare, timeline).rows()
