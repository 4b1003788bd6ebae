"""A program of five events, whose trace is written down here; and random ones, whose sums must be right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.results.metrics.activity import Activity
from moe_cosim.sim.results.metrics.traffic import traffic_table
from moe_cosim.sim.results.path.critical_path import critical_path
from moe_cosim.sim.results.run_timeline import RunTimeline
from moe_cosim.sim.trace import wire
from moe_cosim.sim.trace.counters import counters_of
from moe_cosim.sim.trace.selection import Selection
from moe_cosim.sim.trace.slices import slices_of
from moe_cosim.sim.trace.trace import write_trace
from moe_cosim.sim.trace.tracks import Tracks
from moe_cosim.sim.trace.transfers import Transfers
from moe_cosim.testing.engine.machines import link, memory, one_memory, unit
from moe_cosim.testing.engine.random_programs import RandomCase, cases
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import PHASES, PURPOSES, Program
from tests.drawn import drawn
from tests.sim.trace.reading import ReadSlice, read_back


def timed(machine: Machine, program: Program) -> RunTimeline:
    return RunTimeline(**vars(EmbeddedEngine().run(machine, program)), program=program)


def by_hand() -> tuple[Machine, RunTimeline]:
    """Lane a waits for b, which reads 1000 bytes at 100 bytes a nanosecond; the signal takes 50 ns."""
    machine = one_memory([unit("a"), unit("b")], memory(rate=1e11), latency_ps=25_000)
    builder = ProgramBuilder(machine)
    head = builder.tag(PHASES.index("prefill"), PURPOSES.index("head"))  # all else is of an expert in decode
    builder.wait("a.l0", 0).compute("a.l0", 30_000, tag=head)  # events 0 and 1
    builder.stream("b.l0", builder.read("m", 1000), setup_ps=100_000).signal("b.l0", 0)  # events 2 and 3
    return machine, timed(machine, builder.build())


def test_the_trace_of_a_program_by_hand(tmp_path: Path) -> None:
    machine, timeline = by_hand()
    written = write_trace(machine, timeline, tmp_path / "trace")
    found = read_back(tmp_path / "trace")
    over_ns = 100 + 50 + 10  # setup, a line's way there and back, the bytes

    def slice_(name: str, kind: str, phase: str, begin: int, end: int, **notes: int | str) -> ReadSlice:
        return ReadSlice(name, [kind, phase], begin, {"step": 1, "tokens": 1, **notes}, end)

    assert found.slices["lanes/a.l0"] == [
        slice_("wait · expert · layer 0", "wait", "decode", 0, over_ns + 50, event=0),
        slice_("head", "compute", "prefill", over_ns + 50, over_ns + 80, event=1, bound="compute"),
    ]
    assert found.slices["lanes/b.l0"] == [
        slice_("expert · layer 0", "stream", "decode", 0, over_ns, event=2, bytes=1000, bound="traffic"),
        slice_("signal · expert · layer 0", "signal", "decode", over_ns, over_ns, event=3),
    ]
    assert [(part.name, part.notes["lane"], part.begin_ns, part.end_ns) for part in found.slices["critical path"]] == [
        ("expert · layer 0", "b.l0", 0, over_ns),
        ("signal latency", "a.l0", over_ns, over_ns + 50),
        ("head", "a.l0", over_ns + 50, over_ns + 80),
    ]
    assert found.arrows == [(("lanes/b.l0", over_ns), ("lanes/a.l0", over_ns + 50))]
    rate = pytest.approx(1000 / 60e-9)
    assert found.counters["memories/m"] == [(0, 0), (100, rate), (over_ns, 0)]
    assert found.counters["transfers under way/m"] == [(0, 0), (100, 1), (over_ns, 0)]
    assert found.counters["weights moved in/m"] == [(0, 0)]
    assert (written.events, written.packets, written.total_ps) == (4, found.packets, 1000 * (over_ns + 80))
    assert written.bytes == (tmp_path / "trace").stat().st_size


def test_numbers_on_the_wire_are_those_of_the_specification() -> None:
    """protobuf.dev/programming-guides/encoding: 150 in field 1, "testing" in field 2, both in a message of field 3."""
    assert wire.number(1, 150) == bytes.fromhex("089601")
    assert wire.text(2, "testing") == bytes.fromhex("120774657374696e67")
    assert wire.message(3, wire.number(1, 150)) == bytes.fromhex("1a03089601")
    assert wire.varint(wire.key(16, wire.VARINT)) == bytes.fromhex("8001")


def test_weights_that_replace_others_count_once() -> None:
    """Of copies into a slot the last counts; what is no weights that move does not."""
    near, far = memory("m"), memory("far", base=1 << 30)
    machine = Machine("two", [unit("u")], [near, far], [link("u", "m"), link("m", "far")], [])
    builder = ProgramBuilder(machine)
    move = builder.tag(0, PURPOSES.index("move weights"))
    for size, offset in ((1000, 0), (600, 0), (500, 4096)):
        builder.copy("u.l0", builder.read("far", size), builder.write("m", size, offset), tag=move)
    builder.copy("u.l0", builder.read("far", 70), builder.write("m", 70, 8192))
    timeline = timed(machine, builder.build())
    tracks, shown = Tracks(machine), np.ones(4, np.bool_)
    transfers = Transfers.of(machine, timeline, shown)
    found = {counter.track: counter for counter in counters_of(machine, timeline, transfers, tracks)}
    ends_ns = (timeline.end_ps // 1000).tolist()
    moved_in = found[tracks.residency[0]]
    assert moved_in.value.tolist() == [0, 1000, 600, 1100]
    assert moved_in.time_ns.tolist() == [0, *ends_ns[:3]]
    assert found[tracks.residency[1]].value.tolist() == [0]


def test_a_part_without_events_is_a_trace_without_slices(tmp_path: Path) -> None:
    machine, timeline = by_hand()
    timeline.program.tags["step"][0] = 3
    timeline.program.tags["layer"][0] = 5
    write_trace(machine, timeline, tmp_path / "trace", Selection.parse("1", "5"))
    found = read_back(tmp_path / "trace")
    assert not any(found.slices.values())
    assert found.moved("memories/m") == 0
    write_trace(machine, timeline, tmp_path / "one", Selection.parse("3", "5"))
    assert [part.name for part in read_back(tmp_path / "one").slices["lanes/a.l0"]] == ["wait · expert · layer 5"]


def test_more_bytes_than_anything_moves_are_refused(tmp_path: Path) -> None:
    machine, timeline = by_hand()
    timeline.program.accesses["bytes"] = 2**62
    with pytest.raises(InputError, match=r"bandwidth of m: found .* bytes/s; allowed: <= 1e"):
        write_trace(machine, timeline, tmp_path / "trace")
    assert list(tmp_path.iterdir()) == []


@drawn(40, 100, case=cases())
def test_counters_integrate_to_the_bytes(case: RandomCase) -> None:
    """Against the sums that results are made of; and nothing is under way at the end."""
    machine = case.machine()
    program = case.program(machine)
    timeline = timed(machine, program)
    activity = Activity(machine)
    activity.add(program, timeline, is_last=True)
    carried = traffic_table(machine, activity).sum(axis=(1, 2))
    tracks = Tracks(machine)
    transfers = Transfers.of(machine, timeline, np.ones(len(program.events), np.bool_))
    found = {counter.track: counter for counter in counters_of(machine, timeline, transfers, tracks)}
    for resource, track in tracks.bandwidth.items():
        counter = found[track]
        assert (np.diff(counter.time_ns) > 0).all()
        assert counter.value[-1] == 0
        assert (counter.value >= 0).all()
        integral = (counter.value[:-1] * np.diff(counter.time_ns)).sum() / 1e9
        assert integral == pytest.approx(carried[resource], rel=1e-9, abs=1e-6)
    assert all(found[track].value[-1] == 0 for track in tracks.depth)


@drawn(40, 100, case=cases())
def test_the_path_covers_the_run_and_lanes_do_not_overlap(case: RandomCase) -> None:
    machine = case.machine()
    program = case.program(machine)
    timeline = timed(machine, program)
    tracks = Tracks(machine)
    slices = slices_of(
        timeline, critical_path(machine, program, timeline), np.ones(len(program.events), np.bool_), tracks
    )
    for track in [tracks.path, *tracks.lanes]:
        rows = slices.records["track"] == track
        begin_ps, end_ps = slices.begin_ps[rows], slices.end_ps[rows]
        assert (begin_ps <= end_ps).all()
        assert (begin_ps[1:] >= end_ps[:-1]).all()
        if track == tracks.path and timeline.total_ps:
            assert (begin_ps[0], end_ps[-1]) == (0, timeline.total_ps)
            assert (begin_ps[1:] == end_ps[:-1]).all()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases(), packed=st.booleans())
def test_any_trace_is_read_back_by_the_schema(tmp_path: Path, case: RandomCase, packed: bool) -> None:
    machine = case.machine()
    timeline = timed(machine, case.program(machine))
    path = tmp_path / ("trace.gz" if packed else "trace")
    written = write_trace(machine, timeline, path)
    found = read_back(path)
    assert found.packets == written.packets
    shown = [slice_ for track, all_ in found.slices.items() if track != "critical path" for slice_ in all_]
    assert sorted(slice_.notes["event"] for slice_ in shown) == list(range(len(timeline.start_ps)))
    for slice_ in shown:
        event = slice_.notes["event"]
        assert slice_.begin_ns == timeline.start_ps[event] // 1000
        assert slice_.end_ns == timeline.end_ps[event] // 1000
