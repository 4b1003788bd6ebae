"""The embedded engine against its contract and against exact arithmetic, on random programs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import strategies as st

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.independent.told import by_shares_alone, with_memories
from moe_cosim.sim.engines.base import engines
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.testing.engine.contract import EngineContract
from moe_cosim.testing.engine.random_programs import RandomCase, cases
from moe_cosim.workloads.programs.program import Program
from tests.drawn import drawn
from tests.sim.engines.fluid_reference import simulate

FEW, MANY = 50, 150


class TestEmbeddedEngine(EngineContract):
    engine = "embedded"


def test_every_engine_that_runs_here_is_held_to_the_contract() -> None:
    """The sst engine runs where SST is installed; the cross-check holds it to the embedded one."""
    assert set(engines.names()) == {"embedded", "sst", "makespan"}


@drawn(FEW, MANY, case=cases(internal_peaks=True))
def test_agrees_with_exact_arithmetic(case: RandomCase) -> None:
    machine = case.machine()
    program = case.program(machine)
    timeline = EmbeddedEngine().run(machine, program)
    start_ps, end_ps = simulate(machine, program)
    assert timeline.start_ps.tolist() == pytest.approx(start_ps, abs=2, rel=0)
    assert timeline.end_ps.tolist() == pytest.approx(end_ps, abs=2, rel=0)


@drawn(FEW, MANY, case=cases(internal_peaks=True, drams=True))
def test_agrees_with_exact_arithmetic_where_mixes_meet(case: RandomCase) -> None:
    """The engine counts what flows take in steps of 1 kB/s, of which a mix's factor follows.

    Windows and single refreshes, of which the reference knows nothing, are out of it (`test_refreshes.py`).
    """
    machine = with_memories(case.machine(), by_shares_alone)
    for each in machine.units.values():
        object.__setattr__(each, "window_bytes", np.inf)
    program = case.program(machine)
    timeline = EmbeddedEngine().run(machine, program)
    start_ps, end_ps = simulate(machine, program)
    assert timeline.start_ps.tolist() == pytest.approx(start_ps, abs=2, rel=1e-5)
    assert timeline.end_ps.tolist() == pytest.approx(end_ps, abs=2, rel=1e-5)


@drawn(FEW, MANY, case=cases(internal_peaks=True, drams=True), seed=st.integers(0, 1000))
def test_the_order_of_parts_and_lanes_changes_no_picosecond(case: RandomCase, seed: int) -> None:
    machine, other = case.machine(), case.shuffled(seed)
    assert _by_lane(machine, case.program(machine)) == _by_lane(other, case.program(other))


@drawn(FEW, MANY, case=cases(internal_peaks=True, drams=True), slice_events=st.integers(1, 5))
def test_slices_change_no_picosecond(case: RandomCase, slice_events: int) -> None:
    machine = case.machine()
    program = case.program(machine)
    whole = EmbeddedEngine().run(machine, program)
    sliced = EmbeddedEngine(events_per_slice=slice_events).run(machine, program)
    assert whole.start_ps.tolist() == sliced.start_ps.tolist()
    assert whole.end_ps.tolist() == sliced.end_ps.tolist()


@drawn(FEW, MANY, case=cases(internal_peaks=True, drams=True))
def test_what_ran_on_the_machine_before_changes_no_picosecond(case: RandomCase) -> None:
    machine, fresh = case.machine(), case.machine()
    before = replace(case, steps=tuple(step for step in reversed(case.steps) if step[0] not in ("signal", "wait")))
    EmbeddedEngine().run(machine, before.program(machine))
    assert _by_lane(machine, case.program(machine)) == _by_lane(fresh, case.program(fresh))


def _by_lane(machine: Machine, program: Program) -> dict[tuple[str, str], list[tuple[int, int]]]:
    timeline: Timeline = EmbeddedEngine().run(machine, program)
    rows = list(zip(timeline.start_ps.tolist(), timeline.end_ps.tolist(), strict=True))
    starts = program.lane_starts
    return {lane: rows[starts[i] : starts[i + 1]] for i, lane in enumerate(program.lanes)}
