"""What every engine must do. An engine's tests subclass `EngineContract` and give the `engine` fixture:

class TestMyEngine(EngineContract):
    @pytest.fixture
    def engine(self) -> Engine:
        return MyEngine()
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from moe_cosim.errors import InputError, RunError
from moe_cosim.sim.engines.base import Engine
from moe_cosim.sim.engines.timeline import BOUNDS
from moe_cosim.workloads.program import COPY, SIGNAL, STREAM, WAIT, Program
from moe_cosim.workloads.program_builder import ProgramBuilder
from tests.sim.engines.programs import memory, one_memory, unit
from tests.sim.engines.random_programs import Case, cases
from tests.sim.engines.traffic import carried, fastest_ps

few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class EngineContract:
    @pytest.fixture
    def engine(self) -> Engine:
        raise NotImplementedError("an engine's test class gives its engine")

    @few
    @given(case=cases())
    def test_same_input_same_picosecond(self, engine: Engine, case: Case) -> None:
        first = engine.run(case.machine(), case.program(case.machine()))
        again = engine.run(case.machine(), case.program(case.machine()))
        assert first.start_ps.tolist() == again.start_ps.tolist()
        assert first.end_ps.tolist() == again.end_ps.tolist()

    @few
    @given(case=cases())
    def test_a_lane_runs_its_events_one_after_the_other(self, engine: Engine, case: Case) -> None:
        program = case.program(case.machine())
        timeline = engine.run(case.machine(), program)
        assert timeline.start_ps.dtype == timeline.end_ps.dtype == np.int64
        assert (timeline.start_ps >= 0).all()
        assert (timeline.end_ps >= timeline.start_ps).all()
        for first, last in pairwise(program.lane_starts):
            assert (timeline.start_ps[first + 1 : last] >= timeline.end_ps[first : last - 1 if last else 0]).all()

    @few
    @given(case=cases())
    def test_no_event_ends_before_its_floor(self, engine: Engine, case: Case) -> None:
        machine = case.machine()
        program = case.program(machine)
        timeline = engine.run(machine, program)
        took = timeline.end_ps - timeline.start_ps
        for event, time_ps in zip(program.events, took, strict=True):
            if event["kind"] < SIGNAL:
                assert time_ps >= event["setup_ps"] + event["busy_ps"]
            if event["kind"] in (STREAM, COPY):
                assert time_ps >= int(event["setup_ps"]) + fastest_ps(machine, program, event)

    @few
    @given(case=cases())
    def test_no_resource_carries_more_than_its_peak(self, engine: Engine, case: Case) -> None:
        """What moved wholly within [t0, t1] fits into that time, for every two edges of events."""
        machine = case.machine()
        program = case.program(machine)
        timeline = engine.run(machine, program)
        moves = np.isin(program.events["kind"], (STREAM, COPY))
        taken = np.array([carried(machine, program, event) for event in program.events[moves]])
        taken = taken.reshape(-1, len(machine.resources))
        begins = (timeline.start_ps + program.events["setup_ps"].astype(np.int64))[moves]
        ends = timeline.end_ps[moves]
        rates = np.minimum([r.bytes_per_s for r in machine.resources], 1e30) / 1e12  # no 0 * infinity
        for t0 in np.unique(begins):
            for t1 in np.unique(ends[ends >= t0]):
                inside = taken[(begins >= t0) & (ends <= t1)].sum(axis=0)
                rounding = 1e-3 * len(program.accesses)  # a flow ends on the nearest picosecond
                assert (inside <= rates * (t1 - t0 + rounding) * (1 + 1e-9) + 1e-9).all()

    @few
    @given(case=cases())
    def test_a_wait_ends_after_its_signals_arrived(self, engine: Engine, case: Case) -> None:
        machine = case.machine()
        program = case.program(machine)
        timeline = engine.run(machine, program)
        kind, token = program.events["kind"], program.events["token"]
        for wait in np.flatnonzero(kind == WAIT):
            for signal in np.flatnonzero((kind == SIGNAL) & (token == token[wait])):
                source, target = (program.lanes[program.events["lane"][i]][0] for i in (signal, wait))
                latency_ps = machine.path(source, target).latency_ps if source != target else 0
                assert timeline.end_ps[wait] >= timeline.end_ps[signal] + latency_ps

    @few
    @given(case=cases())
    def test_every_event_says_what_bounds_it(self, engine: Engine, case: Case) -> None:
        """Its floor, its traffic, the last of its signals; or nothing but the engine (idle)."""
        machine = case.machine()
        program = case.program(machine)
        timeline = engine.run(machine, program)
        assert timeline.bound is not None
        assert timeline.last_signal is not None
        for row, event in enumerate(program.events):
            took_ps, bound = timeline.end_ps[row] - timeline.start_ps[row], BOUNDS[timeline.bound[row]]
            signal, floor_ps = timeline.last_signal[row], event["setup_ps"] + event["busy_ps"]
            assert (signal >= 0) == (bound == "signal latency")
            if bound == "compute":
                assert took_ps == (floor_ps if event["kind"] < SIGNAL else 0)
            elif bound == "traffic":
                assert event["kind"] in (STREAM, COPY)
                assert took_ps > floor_ps
            elif bound == "signal latency":
                assert event["kind"] == WAIT
                assert (program.events["kind"][signal], program.events["token"][signal]) == (SIGNAL, event["token"])
                assert took_ps > 0
                assert timeline.end_ps[row] >= timeline.end_ps[signal]

    def test_nothing_to_do_takes_no_time(self, engine: Engine) -> None:
        machine = one_memory([unit("u")])
        assert engine.run(machine, ProgramBuilder(machine).build()).total_ps == 0

    def test_progress_rises_to_one(self, engine: Engine) -> None:
        machine = one_memory([unit("u", 2)])
        builder = ProgramBuilder(machine)
        for _ in range(50):
            builder.stream("u.l0", builder.read("m", 1000)).compute("u.l1", busy_ps=10)
        shares: list[float] = []
        engine.run(machine, builder.build(), shares.append)
        assert shares == sorted(shares)
        assert shares[-1] == 1.0

    def test_the_program_is_not_changed(self, engine: Engine) -> None:
        machine = one_memory([unit("u")])
        builder = ProgramBuilder(machine)
        program = builder.stream("u.l0", builder.read("m", 1000)).build()
        before = program.events.tobytes(), program.accesses.tobytes()
        engine.run(machine, program)
        assert (program.events.tobytes(), program.accesses.tobytes()) == before

    def test_a_deadlock_names_the_lanes_that_wait(self, engine: Engine) -> None:
        machine = one_memory([unit("a"), unit("b"), unit("c")])
        builder = ProgramBuilder(machine)
        builder.compute("a.l0", busy_ps=5).wait("a.l0", 7).signal("a.l0", 8)
        builder.wait("b.l0", 8).signal("b.l0", 7)
        builder.compute("c.l0", busy_ps=5)
        with pytest.raises(RunError, match=r"a\.l0 at event 1 \(token 7\), b\.l0 at event 3 \(token 8\)") as error:
            engine.run(machine, builder.build())
        assert "c.l0" not in str(error.value)

    def test_lanes_of_another_machine_are_refused(self, engine: Engine) -> None:
        machine = one_memory([unit("u")])
        program = ProgramBuilder(one_memory([unit("other")])).compute("other.l0", 5).build()
        with pytest.raises(InputError, match=r"lanes: .*the lanes of tiny"):
            engine.run(machine, program)

    @pytest.mark.parametrize(("offset", "size"), [(1 << 20, 64), ((1 << 20) - 64, 65), (1 << 40, 1)])
    def test_addresses_outside_every_memory_are_refused(self, engine: Engine, offset: int, size: int) -> None:
        machine = one_memory([unit("u")], memory(capacity=1 << 20))
        builder = ProgramBuilder(machine)
        program: Program = builder.stream("u.l0", builder.read("m", 64), builder.read("m", size, offset)).build()
        with pytest.raises(InputError, match=rf"accesses\[1\]: found {offset:#x} \+ {size} bytes; allowed: .*m 0x0"):
            engine.run(machine, program)
