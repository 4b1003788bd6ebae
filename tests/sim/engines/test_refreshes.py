"""What refreshes, open rows and bursts do to single kernels: closed forms, brute force, our own channel model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.hw_models.components import Memory, Switch
from moe_cosim.hw_models.dram.memory import DramMemory
from moe_cosim.hw_models.dram.refresh import RefreshClock, refresh_clock
from moe_cosim.hw_models.dram_timing.achieved import simulate
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.layout import AddressLayout
from moe_cosim.hw_models.dram_timing.standard import read_standard
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.engines.embedded.dram.refresh import _bank_ps, ahead_ps, reached_ps
from moe_cosim.sim.engines.embedded.dram.refresh_tables import ALL_BANKS, ONE_BANK, refresh_tables
from moe_cosim.sim.engines.embedded.flows import _bursts
from moe_cosim.testing.engine.machines import link, memory, star, unit
from moe_cosim.workloads.programs.builder import ProgramBuilder

MAPPING = "RoRaBaCoBgPc"
LATENCY_PS = 80_000


def dram_memory(standard: str, refresh: str, channels: int = 1) -> Memory:
    dram = DramMemory(read_standard(standard), Controller(MAPPING, 128, 128, refresh=refresh))
    bare = memory("m", 1 << 40, channels * dram.standard.peak_bytes_per_s, channels=channels, interleave_bytes=256)
    return replace(bare, dram=dram, latency_ps=LATENCY_PS, efficiency=dram.efficiency(channels, 256))


def machine(part: Memory, window_bytes: float = float("inf")) -> Machine:
    return star(
        [unit("u", 1, "m", window_bytes)], [part], [link("m", "s"), link("u", "s")], Switch("s", 0, float("inf"))
    )


def clock_of(part: Memory) -> RefreshClock:
    found = refresh_clock(part)
    assert found is not None
    return found


def row_of(part: Memory) -> tuple[Any, np.ndarray]:
    rows, turn = refresh_tables([part])
    return rows.view(np.recarray)[0], turn[0]


def took_ps(parts: Machine, size: int, wait_ps: int = 0, offset: int = 0) -> int:
    builder = ProgramBuilder(parts)
    builder.compute("u.l0", busy_ps=wait_ps)
    builder.stream("u.l0", builder.read("m", size, offset))
    timeline = EmbeddedEngine().run(parts, builder.build())
    return int(timeline.end_ps[1] - timeline.start_ps[1])


def test_a_clock_says_what_the_standard_says() -> None:
    hbm, ddr = clock_of(dram_memory("hbm3", "per-bank", 16)), clock_of(dram_memory("ddr5-4800-x4", "all-bank"))
    assert (hbm.refresh, ddr.refresh) == ("per-bank", "all-bank")
    assert hbm.every_ps == pytest.approx(195 * 625)
    assert ddr.every_ps == pytest.approx(9375 * 1e6 / 2400)
    assert (hbm.sets, hbm.set_bytes) == (8, 16 * 8 * 1024)  # a row of each of 4 bank groups and 2 pseudo-channels
    assert hbm.turn[:5] == (0, 1, 2, 3, 0)  # the banks of a group, then the next group's
    assert np.bincount(hbm.turn).tolist() == [4] * 8
    assert hbm.sweep_bytes == 16 * 8 * 64  # a line from each of those banks
    assert hbm.row_life_ps == pytest.approx(32 * hbm.every_ps)
    assert clock_of(dram_memory("hbm3", "off")).row_life_ps == np.inf


def test_nothing_is_known_where_a_share_was_measured() -> None:
    part = dram_memory("hbm3", "per-bank")
    assert part.dram is not None
    assert refresh_clock(replace(part, dram=replace(part.dram, measured_read=0.9))) is None
    assert refresh_clock(replace(part, dram=None)) is None
    assert row_of(replace(part, dram=None))[0].kind not in (ALL_BANKS, ONE_BANK)


@settings(deadline=None)
@given(st.floats(0, 5e7), st.floats(0, 1e6))
def test_the_time_of_a_memory_never_goes_back_and_has_an_inverse(time_ps: float, more_ps: float) -> None:
    row, _ = row_of(dram_memory("ddr5-4800-x4", "all-bank"))
    ahead = [ahead_ps.py_func(row, at) for at in (time_ps, time_ps + more_ps)]
    assert time_ps + ahead[0] <= time_ps + more_ps + ahead[1] + 1e-3
    assert ahead[0] <= row.stall_ps
    again = reached_ps.py_func(row, time_ps + ahead[0])
    if time_ps < row.every_ps:
        assert again == pytest.approx(time_ps, abs=1e-2)
    since_ps = time_ps % row.every_ps
    begun_ps = time_ps - since_ps  # while it stands still, what is done was done before
    near = [
        abs(again - each) for each in ((time_ps,) if since_ps > row.stall_ps else (begun_ps, begun_ps + row.stall_ps))
    ]
    assert min(near) < 1e-2 or time_ps < row.every_ps


@pytest.mark.parametrize("wait_ns", [0, 900, 2100, 3300, 3850, 4000, 9100])
@pytest.mark.parametrize("size", [4096, 65536, 500_000])
def test_a_read_stands_still_while_all_banks_are_refreshed(wait_ns: int, size: int) -> None:
    part = dram_memory("ddr5-4800-x4", "all-bank")
    clock = clock_of(part)
    rate = part.peak_bytes_per_s * part.efficiency.read[-1] / (1 - clock.stall_ps / clock.every_ps) / 1e12
    front_ps = clock.open_ps  # the read of its first byte follows the activate
    at, left = wait_ns * 1000 + front_ps, float(size)
    while left > 0:
        turn = at // clock.every_ps
        if turn >= 1 and at - turn * clock.every_ps < clock.stall_ps:
            at = turn * clock.every_ps + clock.stall_ps
        step = min((at // clock.every_ps + 1) * clock.every_ps - at, left / rate)
        at, left = at + step + (0 if step == left / rate else 1e-6), left - step * rate
    expected = at - front_ps + LATENCY_PS - wait_ns * 1000
    assert took_ps(machine(part), size, wait_ns * 1000) == pytest.approx(expected, abs=0.03 * clock.stall_ps)


@pytest.mark.parametrize("kib", [8, 12, 16, 24, 32])
def test_a_bank_that_is_refreshed_makes_the_end_wait_as_in_the_channel_model(kib: int) -> None:
    """From the start of each set and half-set of banks, so that refreshes meet all parts of the stream."""
    part = dram_memory("hbm3", "per-bank")
    assert part.dram is not None
    standard, controller = part.dram.standard, part.dram.controller
    row, turn = row_of(part)
    said, found = [], []
    for half in range(2 * row.sets):
        start = half * row.set_bytes // 2
        accesses = (start + np.arange(0, kib * 1024, standard.access_bytes)) // standard.access_bytes
        bank, open_row = AddressLayout.parse(MAPPING, standard).place(accesses, standard)
        reads = np.zeros(len(accesses), np.int64)
        with_it, without = (
            simulate(standard, replace(controller, refresh=refresh), bank, open_row, reads).elapsed_ns * 1000
            for refresh in ("per-bank", "off")
        )
        said.append(with_it - without)
        end_ps = without - clock_of(part).read_latency_ps
        rate = standard.peak_bytes_per_s / 1e12
        found.append(_bank_ps.py_func(row, turn, end_ps, start, kib * 1024, rate))
    assert max(said) > 150_000
    assert np.mean(np.abs(np.subtract(said, found))) < 15_000
    assert np.mean(found) == pytest.approx(np.mean(said), rel=0.2)


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 400), st.integers(1, 2000), st.integers(1, 50))
def test_a_window_s_bursts_end_as_line_by_line(lines: int, window: int, latency_ps: int, line_ps: int) -> None:
    """Each line asks for another when it has come; one at a time is served, and is there `latency_ps` later."""
    served = np.zeros(lines)
    for line in range(lines):
        asked = served[line - window] + latency_ps if line >= window else 0.0
        served[line] = max(asked, served[line - 1] if line else 0.0) + line_ps
    expected = served[-1] + latency_ps
    turn_ps, fixed = latency_ps + line_ps, 1.0 / line_ps
    rate = window / turn_ps
    if rate >= fixed:
        return
    limited, early_ps = _bursts.py_func(float(lines), float(window), rate, fixed, fixed)
    assert latency_ps - early_ps + lines / min(limited, fixed) == pytest.approx(
        expected, abs=line_ps * (lines // window + 1)
    )


@pytest.mark.parametrize("refresh", ["all-bank", "off"])
def test_a_read_that_goes_on_in_open_rows_saves_an_activate(refresh: str) -> None:
    part = dram_memory("ddr5-4800-x4", refresh, 16)
    parts, builder = machine(part), None
    builder = ProgramBuilder(parts)
    for turn in range(3):
        builder.stream("u.l0", builder.read("m", 4096, turn * 4096))
    timeline = EmbeddedEngine().run(parts, builder.build())
    first, second, third = (timeline.end_ps - timeline.start_ps).tolist()
    assert second == third
    assert first - second == pytest.approx(clock_of(part).open_ps, abs=0.1 * clock_of(part).open_ps)


@pytest.mark.parametrize("refresh", ["all-bank", "off"])
def test_a_short_read_waits_behind_what_stands_in_the_queues(refresh: str) -> None:
    part = dram_memory("ddr5-4800-x4", refresh, 4)
    units = [unit("u", 2, "m", float(1 << 20))]
    parts = star(units, [part], [link("m", "s"), link("u", "s")], Switch("s", 0, float("inf")))
    builder = ProgramBuilder(parts)
    builder.stream("u.l0", builder.read("m", 1 << 22))
    builder.compute("u.l1", busy_ps=1_000_000).stream("u.l1", builder.read("m", 1 << 12, 1 << 22))
    timeline = EmbeddedEngine().run(parts, builder.build())
    rows = np.flatnonzero(builder.build().events["accesses"])
    short_ps = int((timeline.end_ps - timeline.start_ps)[rows[1]])
    rate = part.peak_bytes_per_s * part.efficiency.read[-1] / 1e12
    queued_ps = clock_of(part).queue_bytes / rate
    shared_ps = LATENCY_PS + 2 * 4096 / rate
    assert short_ps == pytest.approx(shared_ps + queued_ps, rel=0.25)
