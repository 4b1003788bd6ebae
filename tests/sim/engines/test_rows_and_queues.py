"""What open rows, queues of writes and shared banks do to single transfers: closed forms and brute force."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from moe_cosim.hw_models.components import Switch
from moe_cosim.hw_models.dram.mix import mix_factors
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.engines.embedded.dram import meeting
from moe_cosim.sim.engines.embedded.dram.rows import lines_ps
from moe_cosim.testing.engine.machines import link, star, unit
from moe_cosim.workloads.programs.builder import ProgramBuilder
from tests.sim.engines.test_refreshes import clock_of, dram_memory, machine, row_of

CHANNELS = 4


def durations_ps(builder: ProgramBuilder, parts: Machine) -> list[int]:
    """Of the events that move something."""
    program = builder.build()
    timeline = EmbeddedEngine().run(parts, program)
    moves = program.events["accesses"] > 0
    return [int(took) for took in (timeline.end_ps - timeline.start_ps)[moves]]


@pytest.mark.parametrize("refresh", ["off", "all-bank"])
def test_a_read_pays_for_the_row_that_it_finds(refresh: str) -> None:
    part = dram_memory("ddr5-4800-x4", refresh, CHANNELS)
    clock, parts = clock_of(part), machine(part)
    around = clock.sets * clock.set_bytes  # from here the same banks come again, in their next rows
    builder = ProgramBuilder(parts)
    for offset in (0, 1024, around, clock.set_bytes):
        builder.stream("u.l0", builder.read("m", 1024, offset))
    for offset in (2 * clock.set_bytes, 2 * clock.set_bytes + 256):  # on a channel, and the next
        builder.stream("u.l0", builder.read("m", 256, offset))
    builder.compute("u.l0", busy_ps=5_000_000)  # a refresh comes
    builder.stream("u.l0", builder.read("m", 1024, 2 * around))
    closed, same_row, other_row, other_banks, first, other_channel, later = durations_ps(builder, parts)
    near = {"abs": 2} if refresh == "off" else {"abs": 2000}  # of the time in which refreshes are made up for
    assert closed - same_row == pytest.approx(clock.open_ps, **near)
    assert other_row - closed == pytest.approx(clock.close_ps, **near)
    assert other_banks == pytest.approx(closed, **near)
    assert other_channel == pytest.approx(first, **near)
    assert later == pytest.approx(other_row if refresh == "off" else closed, **near)


@pytest.mark.parametrize("window", [1, 2, 4, 8, 16, 32, 64])
def test_a_window_s_lines_wait_together_for_rows(window: int) -> None:
    """Line by line: each asks for another when it has come, and comes when its bank's row is open and it was read."""
    part = dram_memory("hbm3", "off")
    clock, (row, _) = clock_of(part), row_of(part)
    line, latency_ps, lines = 512, 100_000.0, 4096
    per_set = clock.set_bytes // line
    come = np.zeros(lines)
    opened_ps = 0.0
    for at in range(lines):
        asked_ps = come[at - window] if at >= window else 0.0
        if at % per_set == 0:
            opened_ps = asked_ps + clock.open_ps + clock.close_ps
        come[at] = max(asked_ps, opened_ps) + latency_ps - clock.open_ps
    turn_ps = latency_ps + lines_ps.py_func(row, float(window * line), latency_ps)
    assert turn_ps == pytest.approx(come[-1] * window / lines, rel=0.01)


def test_rows_that_refreshes_close_cost_a_window_no_precharge() -> None:
    off, by_bank = (row_of(dram_memory("hbm3", refresh))[0] for refresh in ("off", "per-bank"))
    slow, fast = 1e6, 1.0  # of a turn: long after all rows were refreshed, or before any was
    assert lines_ps.py_func(off, 4096.0, slow) > lines_ps.py_func(by_bank, 4096.0, slow)
    assert lines_ps.py_func(off, 4096.0, fast) == pytest.approx(lines_ps.py_func(by_bank, 4096.0, fast), abs=10)


def test_a_write_is_over_when_it_is_in_the_queues() -> None:
    part = dram_memory("ddr5-4800-x4", "off", CHANNELS)
    clock, parts = clock_of(part), machine(part)
    rate = part.peak_bytes_per_s * part.efficiency.write[-1] / 1e12
    full, more = clock.write_queue_bytes, 1 << 20
    builder = ProgramBuilder(parts)
    for wait_ps, size in ((0, full), (0, more), (int(2 * full / rate), full), (int(2 * full / rate), full + more)):
        builder.compute("u.l0", busy_ps=wait_ps)
        builder.stream("u.l0", builder.write("m", size))
    entered, paid, again, partly = durations_ps(builder, parts)
    latency_ps = entered
    assert latency_ps == again < full / rate
    assert partly == pytest.approx(latency_ps + more / rate, rel=1e-3)
    assert paid == pytest.approx(latency_ps + (more - latency_ps * rate) / rate, rel=0.01)  # served since: so much


def test_a_copy_reads_before_it_writes_and_leaves_its_last_writes_in_the_queues() -> None:
    part = dram_memory("ddr5-4800-x4", "off", CHANNELS)
    clock, parts, factors = clock_of(part), machine(part), mix_factors(part)
    assert factors is not None
    size, apart = 1 << 20, int(2.5 * clock.set_bytes)
    builder = ProgramBuilder(parts)
    builder.copy("u.l0", builder.read("m", size), builder.write("m", size, 8 * clock.sets * clock.set_bytes + apart))
    (took,) = durations_ps(builder, parts)
    peak, efficiency = part.peak_bytes_per_s / 1e12, part.efficiency
    latency_ps = 2 * part.latency_ps
    both_ps = (1 / efficiency.read[-1] + 1 / efficiency.write[-1]) / peak / factors.factor(2, 0.5)
    read_ps = 1 / efficiency.read[-1] / peak
    early = clock.standing_writes_bytes + latency_ps / 2 / read_ps
    assert took == pytest.approx(latency_ps + (size - early) * both_ps + early * read_ps, rel=0.01)


@settings(deadline=None, max_examples=200)
@given(st.integers(-(1 << 20), 1 << 20), st.integers(-(1 << 20), 1 << 20))
def test_the_time_in_the_same_banks_is_what_walking_finds(apart: int, at_end: int) -> None:
    set_bytes, sets = 8192.0, 8
    with patch.object(meeting, "_met", meeting._met.py_func):  # what is compiled calls only what is compiled
        found = meeting.time_together.py_func(set_bytes, sets, apart, at_end)
    if abs(apart) < set_bytes:
        assert found == 0.0
        return
    way = np.linspace(apart, at_end, 50_001)
    place = np.abs(way) % (sets * set_bytes)
    near = np.maximum(1 - np.minimum(place, sets * set_bytes - place) / set_bytes, 0)
    assert found == pytest.approx(near.mean(), abs=2e-3)


@pytest.mark.parametrize("standard", ["hbm3", "ddr5-4800-x4"])
def test_a_copy_whose_ends_are_in_the_same_banks_is_slower(standard: str) -> None:
    part = dram_memory(standard, "off", CHANNELS)
    clock, parts, factors = clock_of(part), machine(part), mix_factors(part)
    assert factors is not None
    around, took = clock.sets * clock.set_bytes, []
    for apart in (around, around + around // 2):
        builder = ProgramBuilder(parts)
        builder.copy("u.l0", builder.read("m", 1 << 22), builder.write("m", 1 << 22, 8 * around + apart))
        took += durations_ps(builder, parts)
    assert took[0] / took[1] == pytest.approx(factors.factor(2, 0.5) / factors.together[2], rel=0.1)
    assert math.isclose(factors.together[1], min(factors.together[1], factors.factor(2, 0.25)))


def test_a_limited_read_waits_line_by_line_behind_full_queues() -> None:
    part = dram_memory("hbm3", "off", 16)
    clock = clock_of(part)
    units = [unit("u", 1, "m", 8192.0), unit("v", 1, "m", float(1 << 20))]
    parts = star(units, [part], [link(name, "s") for name in ("m", "u", "v")], Switch("s", 0, float("inf")))
    took = []
    for beside in (False, True):
        builder = ProgramBuilder(parts)
        builder.stream("u.l0", builder.read("m", 1 << 17))
        if beside:
            builder.stream("v.l0", builder.read("m", 1 << 24, 1 << 29))
        took.append(durations_ps(builder, parts)[0])
    turns = (1 << 17) / 8192
    queue_ps = clock.queue_bytes / (part.peak_bytes_per_s / 1e12)
    assert took[1] - took[0] == pytest.approx(turns * queue_ps, rel=0.25)


_ROUNDED = [("read", 1, 0), ("write", 4096, 0), ("copy", 4096, 0), *[("read", 1, 0)] * 3, ("copy", 1, 0)]
"""One of these ends a picosecond later in some orders."""
accesses = st.tuples(
    st.sampled_from(["read", "write", "copy"]),
    st.sampled_from([1, 64, 4096, 77_777]),
    st.sampled_from([0, 1, 8192, 1 << 17]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(accesses, min_size=2, max_size=12), st.randoms(use_true_random=False))
@example(_ROUNDED, Random(0))
def test_of_those_that_begin_at_one_time_none_comes_before_another(
    moves: list[tuple[str, int, int]], order: Random
) -> None:
    """Rows left open, room in the queues of writes, and places in the same banks; a read after them sees the rows."""
    part = replace(dram_memory("ddr4-3200", "all-bank"), latency_ps=1)

    def ends_ps(units: list[int]) -> dict[int, list[int]]:
        names = [f"u{number}" for number in units]
        parts = star(
            [unit(name, 1, "m") for name in names],
            [part],
            [link("m", "s"), *(link(name, "s") for name in names)],
            Switch("s", 0, float("inf")),
        )
        builder = ProgramBuilder(parts)
        for number in units:
            kind, size, offset = moves[number]
            lane = f"u{number}.l0"
            if kind == "copy":
                builder.copy(lane, builder.read("m", size, offset), builder.write("m", size, offset + (1 << 20)))
            else:
                builder.stream(lane, getattr(builder, kind)("m", size, offset))
            builder.stream(lane, builder.read("m", 1, offset))
        ends = EmbeddedEngine().run(parts, builder.build()).end_ps.reshape(len(units), 2)
        return dict(zip(units, ends.tolist(), strict=True))

    listed = list(range(len(moves)))
    ends, other = ends_ps(listed), ends_ps(order.sample(listed, len(listed)))
    for number in listed:  # the last bit of a sum hangs on its order, and times are rounded up to whole picoseconds
        assert ends[number] == pytest.approx(other[number], abs=1)
