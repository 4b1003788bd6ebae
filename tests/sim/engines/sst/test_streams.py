"""Programs cut into stream files and timelines joined again: nothing lost, nothing in another place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.errors import RunError
from moe_cosim.sim.engines.sst.graph.devices import find_layout
from moe_cosim.sim.engines.sst.graph.traffic import reached_memories
from moe_cosim.sim.engines.sst.replayed import replayed
from moe_cosim.sim.engines.sst.streams import HEADER, LANE, TIMES, cut, read_stream, read_times, restore, write_stream
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import ACCESS, EVENT, Program
from tests.sim.engines.sst.machines import switched

MACHINE = switched(2, 2)
LAYOUT = find_layout(MACHINE)
LANES = [f"{unit}.{lane}" for unit, lane in MACHINE.lanes]


@st.composite
def programs(draw: st.DrawFn) -> Program:
    made = ProgramBuilder(MACHINE)
    for token in range(draw(st.integers(0, 25))):
        lane = draw(st.sampled_from(LANES))
        memories = draw(st.lists(st.sampled_from(sorted(MACHINE.memories)), max_size=4))
        reads = [made.read(memory, draw(st.integers(0, 5000)), draw(st.integers(0, 4000))) for memory in memories]
        made.stream(lane, *reads, busy_ps=draw(st.integers(0, 99)))
        if draw(st.booleans()):
            made.signal(lane, token)
            made.wait(draw(st.sampled_from(LANES)), token)
    return made.build()


def test_record_sizes_are_the_elements() -> None:
    assert (HEADER.itemsize, LANE.itemsize, EVENT.itemsize, ACCESS.itemsize, TIMES.itemsize) == (48, 32, 40, 24, 16)


@given(programs())
@settings(max_examples=40, deadline=None)
def test_streams_hold_the_program_and_timelines_return_to_it(
    tmp_path_factory: pytest.TempPathFactory, program: Program
) -> None:
    folder = tmp_path_factory.mktemp("streams")
    asked = replayed(MACHINE, program)
    streams = cut(asked.machine, asked.program, asked.layout)
    assert np.array_equal(np.sort(np.concatenate([s.rows for s in streams])), np.arange(len(program.events)))
    times = []
    for stream in streams:
        path = folder / f"{stream.device.name}.stream"
        write_stream(path, MACHINE, program, stream)
        header, latencies, lanes, events, accesses = read_stream(path)
        tables = (header, latencies, lanes, events, accesses)
        assert path.stat().st_size == sum(table.nbytes for table in tables)
        assert header["tokens"][0] == program.tokens
        _check_rows(program, stream.rows, events, accesses)
        _check_lanes(program, lanes, events)
        units = list(MACHINE.units)
        assert latencies[0, 1] == MACHINE.path(units[0], units[1]).latency_ps
        assert not latencies.diagonal().any()
        measured = np.zeros(len(stream.rows), dtype=TIMES)  # as if each event's times told its row
        measured["start_ps"], measured["end_ps"] = stream.rows, stream.rows + 7
        (folder / f"{stream.device.name}.timeline").write_bytes(measured.tobytes())
        times.append(read_times(folder / f"{stream.device.name}.timeline", stream))
    timeline = restore(MACHINE, program, asked, streams, times)
    assert np.array_equal(timeline.start_ps, np.arange(len(program.events)))
    assert np.array_equal(timeline.end_ps, timeline.start_ps + 7)


def _check_rows(program: Program, rows: np.ndarray, events: np.ndarray, accesses: np.ndarray) -> None:
    """Each event as in the program, with the same accesses under its new first_access."""
    for name in EVENT.names or ():
        if name != "first_access":
            assert np.array_equal(events[name], program.events[name][rows])
    for event, row in zip(events, rows, strict=True):
        first, whole = int(event["first_access"]), program.events[row]
        mine = accesses[first : first + int(event["accesses"])]
        theirs = program.accesses[whole["first_access"] : whole["first_access"] + whole["accesses"]]
        for name in (field for field in ACCESS.names or () if field != "pad"):
            assert np.array_equal(mine[name], theirs[name])
        assert mine["pad"].tolist() == [1, *[0] * (len(mine) - 1)][: len(mine)], "where parts of kernels begin"


def _check_lanes(program: Program, lanes: np.ndarray, events: np.ndarray) -> None:
    assert lanes["first_event"][0] == 0
    assert lanes["events"].sum() == len(events)
    for lane in lanes:
        own = events[lane["first_event"] : lane["first_event"] + lane["events"]]
        assert (own["lane"] == lane["lane"]).all()
        assert list(MACHINE.units)[lane["unit"]] == program.lanes[lane["lane"]][0]


def test_an_unlimited_window_becomes_a_number_that_limits_nothing() -> None:
    machine = switched(1)
    for unit in machine.units.values():
        object.__setattr__(unit, "window_bytes", np.inf)
    made = ProgramBuilder(machine).compute("gpu0.core.main", 5).build()
    window = int(cut(machine, made, find_layout(machine))[0].lanes["window_bytes"][0])
    longest = max(2 * machine.path("gpu0.core", m.name).latency_ps + m.latency_ps for m in machine.memory_list)
    assert window > 4 * 100e9 * longest * 1e-12
    assert window < 1 << 40


def test_reached_memories_are_those_of_other_devices_with_bytes() -> None:
    made = ProgramBuilder(MACHINE)
    made.stream("gpu0.core.main", made.read("gpu0.dram", 64), made.read("ndp1.dram", 64), made.read("ndp0.dram", 0))
    made.stream("ndp0.core.main", made.write("ndp0.dram", 64))
    assert reached_memories(MACHINE, made.build(), LAYOUT) == {"ndp1.dram"}


def test_a_timeline_that_is_missing_or_short_is_refused(tmp_path: Path) -> None:
    program = ProgramBuilder(MACHINE).compute("gpu0.core.main", 5).build()
    stream = cut(MACHINE, program, LAYOUT)[0]
    with pytest.raises(RunError, match="no timeline for device gpu0"):
        read_times(tmp_path / "none", stream)
    (tmp_path / "short").write_bytes(b"\0" * 8)
    with pytest.raises(RunError, match="8 bytes in place of 16"):
        read_times(tmp_path / "short", stream)
