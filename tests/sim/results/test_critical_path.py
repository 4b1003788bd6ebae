"""The critical path: sums to the total, and names what a reader would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import strategies as st

from moe_cosim.errors import RunError
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.engines.timeline import BOUNDS, LATENCY_BOUND, Timeline
from moe_cosim.sim.results.path.critical_path import critical_path
from moe_cosim.testing.engine.machines import memory, one_memory, unit
from moe_cosim.testing.engine.random_programs import RandomCase, cases
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import PHASES, PURPOSES, Program
from tests.drawn import drawn


def segments(builder: ProgramBuilder) -> list[tuple[int, int, str]]:
    program = builder.build()
    path = critical_path(builder.machine, program, EmbeddedEngine().run(builder.machine, program))
    return [(int(s["event"]), int(s["time_ps"]), BOUNDS[s["bound"]]) for s in path.segments]


@drawn(60, 200, case=cases())
def test_the_parts_sum_to_the_total(case: RandomCase) -> None:
    machine = case.machine()
    program = case.program(machine)
    timeline = EmbeddedEngine().run(machine, program)
    path = critical_path(machine, program, timeline)
    assert path.total_ps == timeline.total_ps
    assert sum(row.time_ps for row in path.rows()) == timeline.total_ps
    assert (path.segments["time_ps"] > 0).all()
    assert BOUNDS.index("idle") not in path.segments["bound"]  # this engine adds no delay of its own


@drawn(40, 100, case=cases())
def test_an_engine_with_delays_of_its_own_is_accounted_for_too(case: RandomCase) -> None:
    machine = case.machine()
    program = case.program(machine)
    exact = EmbeddedEngine().run(machine, program)
    slower = replace(exact, start_ps=7 * exact.start_ps + 3, end_ps=7 * exact.end_ps + 3)  # late from the start on
    path = critical_path(machine, program, slower)
    assert path.total_ps == slower.total_ps


@drawn(40, 100, case=cases(), ratio=st.sampled_from([1.0, 1.0003, 1.7, 3.0]))
def test_stretched_times_keep_their_path(case: RandomCase, ratio: float) -> None:
    """Also where rounding makes an event a picosecond longer or shorter than its floor or its signal's way."""
    machine = case.machine()
    program = case.program(machine)
    exact = EmbeddedEngine().run(machine, program)
    seen, wanted = (critical_path(machine, program, times) for times in (exact.stretched(ratio), exact))
    assert seen.segments[["event", "bound"]].tolist() == wanted.segments[["event", "bound"]].tolist()
    assert seen.total_ps == exact.stretched(ratio).total_ps


def test_a_wait_hands_over_to_the_lane_of_its_last_signal() -> None:
    machine = one_memory([unit("a"), unit("b"), unit("c")], memory(rate=1e11), latency_ps=50)
    builder = ProgramBuilder(machine)
    builder.compute("a.l0", 10).wait("a.l0", 0).compute("a.l0", 30)  # 0 1 2
    builder.stream("b.l0", builder.read("m", 1000)).signal("b.l0", 0)  # 3 4
    builder.compute("c.l0", 9_000).signal("c.l0", 0)  # 5 6
    assert segments(builder) == [(3, 10_100, "traffic"), (1, 100, "signal latency"), (2, 30, "compute")]


def test_a_wait_that_did_not_wait_stays_in_its_lane() -> None:
    machine = one_memory([unit("a"), unit("b")], latency_ps=50)
    builder = ProgramBuilder(machine)
    builder.compute("a.l0", 500).wait("a.l0", 0).compute("a.l0", 30)
    builder.compute("b.l0", 400).signal("b.l0", 0)
    assert segments(builder) == [(0, 500, "compute"), (2, 30, "compute")]


def test_traffic_within_the_minimum_time_is_compute() -> None:
    machine = one_memory([unit("u")])
    builder = ProgramBuilder(machine)
    builder.stream("u.l0", builder.read("m", 100), busy_ps=5_000, setup_ps=5)
    builder.stream("u.l0", builder.read("m", 1000), busy_ps=5_000, setup_ps=5)
    assert segments(builder) == [(0, 5_005, "compute"), (1, 10_005, "traffic")]


def test_of_lanes_that_end_together_the_lowest_is_told() -> None:
    machine = one_memory([unit("u", 3)])
    builder = ProgramBuilder(machine)
    builder.compute("u.l0", 5).compute("u.l1", 9).compute("u.l2", 9)
    assert segments(builder) == [(1, 9, "compute")]


def test_rows_add_up_what_has_the_same_unit_phase_purpose_and_bound() -> None:
    machine = one_memory([unit("u")])
    builder = ProgramBuilder(machine)
    expert = builder.tag(PHASES.index("decode"), PURPOSES.index("expert"))
    head = builder.tag(PHASES.index("prefill"), PURPOSES.index("head"))
    builder.compute("u.l0", 10, tag=expert).compute("u.l0", 45, tag=head).compute("u.l0", 25, tag=expert)
    program = builder.build()
    path = critical_path(machine, program, EmbeddedEngine().run(machine, program))
    both = {"unit": "u", "bound": "compute"}
    assert [row.as_dict() for row in path.rows()] == [
        {**both, "phase": "prefill", "purpose": "head", "time_ps": 45, "seconds": 45e-12, "share": 45 / 80},
        {**both, "phase": "decode", "purpose": "expert", "time_ps": 35, "seconds": 35e-12, "share": 35 / 80},
    ]
    untagged = Program(program.lanes, program.events.copy(), program.accesses, program.tags[:0])
    untagged.events["tag"] = 0
    timeline = EmbeddedEngine().run(machine, untagged)
    assert [row.purpose for row in critical_path(machine, untagged, timeline).rows()] == [""]


def test_nothing_to_do_has_an_empty_path() -> None:
    machine = one_memory([unit("u")])
    program = ProgramBuilder(machine).build()
    path = critical_path(machine, program, EmbeddedEngine().run(machine, program))
    assert path.total_ps == 0
    assert path.rows() == []


def test_signals_that_wait_for_each_other_are_no_path() -> None:
    """No engine says that; a damaged file may, and the walk must end."""
    machine = one_memory([unit("a"), unit("b")])
    builder = ProgramBuilder(machine)
    builder.wait("a.l0", 0).signal("a.l0", 1).wait("b.l0", 1).signal("b.l0", 0)
    late = np.full(4, 9)
    bound = np.array([LATENCY_BOUND, 0, LATENCY_BOUND, 0], np.uint8)
    timeline = Timeline(np.array([0, 9, 0, 9]), late, bound, np.array([3, -1, 1, -1]))
    with pytest.raises(RunError, match="waited for another"):
        critical_path(machine, builder.build(), timeline)


def test_times_without_bounds_have_no_path() -> None:
    machine = one_memory([unit("u")])
    program = ProgramBuilder(machine).compute("u.l0", 5).build()
    exact = EmbeddedEngine().run(machine, program)
    with pytest.raises(RunError, match="does not say what bounds its events"):
        critical_path(machine, program, Timeline(exact.start_ps, exact.end_ps))
