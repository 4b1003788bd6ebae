"""What every engine must do. Its tests subclass `EngineContract` and name it:

class TestMine(EngineContract):
    engine = "my-engine"
    options = {"line_size": 64}
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given

from moe_cosim.errors import InputError, RunError
from moe_cosim.sim.engines.base import Engine, engines
from moe_cosim.sim.engines.timeline import BOUNDS
from moe_cosim.testing.engine.machines import memory, one_memory, unit
from moe_cosim.testing.engine.random_programs import RandomCase, cases
from moe_cosim.testing.engine.traffic import carried, fastest_ps
from moe_cosim.testing.examples import few
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import COPY, SIGNAL, STREAM, WAIT, Program


class EngineContract:
    """Subclasses set `engine`, a registered name."""

    engine: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    """An experiment's ``engine`` without its ``name``."""

    def made(self) -> Engine:
        """A new engine with `options`."""
        return engines.get(self.engine).from_options(self.options, "contract")

    @few
    @given(case=cases())
    def test_same_input_same_picosecond(self, case: RandomCase) -> None:
        first = self.made().run(case.machine(), case.program(case.machine()))
        again = self.made().run(case.machine(), case.program(case.machine()))
        assert first.start_ps.tolist() == again.start_ps.tolist()
        assert first.end_ps.tolist() == again.end_ps.tolist()

    @few
    @given(case=cases())
    def test_a_lane_runs_its_events_one_after_the_other(self, case: RandomCase) -> None:
        program = case.program(case.machine())
        timeline = self.made().run(case.machine(), program)
        assert timeline.start_ps.dtype == timeline.end_ps.dtype == np.int64
        assert (timeline.start_ps >= 0).all()
        assert (timeline.end_ps >= timeline.start_ps).all()
        for first, last in pairwise(program.lane_starts):
            assert (timeline.start_ps[first + 1 : last] >= timeline.end_ps[first : last - 1 if last else 0]).all()

    @few
    @given(case=cases())
    def test_no_event_ends_before_its_floor(self, case: RandomCase) -> None:
        machine = case.machine()
        program = case.program(machine)
        timeline = self.made().run(machine, program)
        took = timeline.end_ps - timeline.start_ps
        for event, time_ps in zip(program.events, took, strict=True):
            if event["kind"] < SIGNAL:
                assert time_ps >= event["setup_ps"] + event["busy_ps"]
            if event["kind"] in (STREAM, COPY):
                assert time_ps >= int(event["setup_ps"]) + fastest_ps(machine, program, event)

    @few
    @given(case=cases())
    def test_no_resource_carries_more_than_its_peak(self, case: RandomCase) -> None:
        """What moved wholly within [t0, t1] fits into that time, for every two edges of events."""
        machine = case.machine()
        program = case.program(machine)
        timeline = self.made().run(machine, program)
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
    def test_a_wait_ends_after_its_signals_arrived(self, case: RandomCase) -> None:
        machine = case.machine()
        program = case.program(machine)
        timeline = self.made().run(machine, program)
        kind, token = program.events["kind"], program.events["token"]
        for wait in np.flatnonzero(kind == WAIT):
            for signal in np.flatnonzero((kind == SIGNAL) & (token == token[wait])):
                source, target = (program.lanes[program.events["lane"][i]][0] for i in (signal, wait))
                latency_ps = machine.path(source, target).latency_ps if source != target else 0
                assert timeline.end_ps[wait] >= timeline.end_ps[signal] + latency_ps

    @few
    @given(case=cases())
    def test_every_event_says_what_bounds_it(self, case: RandomCase) -> None:
        """Its floor, its traffic, the last of its signals; or nothing but the engine (idle)."""
        machine = case.machine()
        program = case.program(machine)
        timeline = self.made().run(machine, program)
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

    def test_nothing_to_do_takes_no_time(self) -> None:
        machine = one_memory([unit("u")])
        assert self.made().run(machine, ProgramBuilder(machine).build()).total_ps == 0

    def test_progress_rises_to_one(self) -> None:
        machine = one_memory([unit("u", 2)])
        builder = ProgramBuilder(machine)
        for _ in range(50):
            builder.stream("u.l0", builder.read("m", 1000)).compute("u.l1", busy_ps=10)
        shares: list[float] = []
        self.made().run(machine, builder.build(), shares.append)
        assert shares == sorted(shares)
        assert shares[-1] == 1.0

    def test_the_program_is_not_changed(self) -> None:
        machine = one_memory([unit("u")])
        builder = ProgramBuilder(machine)
        program = builder.stream("u.l0", builder.read("m", 1000)).build()
        before = program.events.tobytes(), program.accesses.tobytes()
        self.made().run(machine, program)
        assert (program.events.tobytes(), program.accesses.tobytes()) == before

    def test_a_deadlock_names_the_lanes_that_wait(self) -> None:
        machine = one_memory([unit("a"), unit("b"), unit("c")])
        builder = ProgramBuilder(machine)
        builder.compute("a.l0", busy_ps=5).wait("a.l0", 7).signal("a.l0", 8)
        builder.wait("b.l0", 8).signal("b.l0", 7)
        builder.compute("c.l0", busy_ps=5)
        with pytest.raises(RunError, match=r"a\.l0 at event 1 \(token 7\), b\.l0 at event 3 \(token 8\)") as error:
            self.made().run(machine, builder.build())
        assert "c.l0" not in str(error.value)

    def test_lanes_of_another_machine_are_refused(self) -> None:
        machine = one_memory([unit("u")])
        program = ProgramBuilder(one_memory([unit("other")])).compute("other.l0", 5).build()
        with pytest.raises(InputError, match=r"lanes: .*the lanes of tiny"):
            self.made().run(machine, program)

    @pytest.mark.parametrize(("offset", "size"), [(1 << 20, 64), ((1 << 20) - 64, 65), (1 << 40, 1)])
    def test_addresses_outside_every_memory_are_refused(self, offset: int, size: int) -> None:
        machine = one_memory([unit("u")], memory(capacity=1 << 20))
        builder = ProgramBuilder(machine)
        program: Program = builder.stream("u.l0", builder.read("m", 64), builder.read("m", size, offset)).build()
        with pytest.raises(InputError, match=rf"accesses\[1\]: found {offset:#x} \+ {size} bytes; allowed: .*m 0x0"):
            self.made().run(machine, program)

    def test_options_it_does_not_have_are_refused(self) -> None:
        with pytest.raises(InputError) as refused:
            engines.get(self.engine).from_options({**self.options, "no-such-option": 1}, "my.yaml")
        assert refused.value.where == "my.yaml"
        assert refused.value.field == "engine.no-such-option"

    def test_it_is_described(self) -> None:
        summary = engines.get(self.engine).summary
        assert 10 <= len(summary) <= 120
        assert "\n" not in summary
