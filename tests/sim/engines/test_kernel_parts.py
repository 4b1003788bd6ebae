"""Short parts of one kernel: several are under way in the unit's window, on as many channels as they touch."""

from __future__ import annotations

import heapq
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.standard import read_standard
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.independent.told import with_dram
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.testing.engine.machines import GB_PER_S, memory, one_memory, unit
from moe_cosim.workloads.programs.builder import ProgramBuilder

LINE = 64
LATENCY_PS = 100_000
CHANNELS = 8
RATE = 0.064
"""Bytes per ps of all channels together."""


def machine(window_lines: int, latency_ps: int = LATENCY_PS) -> Machine:
    part = memory(rate=64 * GB_PER_S, latency_ps=latency_ps, channels=CHANNELS, interleave_bytes=256)
    return one_memory([unit("u", window_bytes=window_lines * LINE)], part)


def kernel_ps(on: Machine, places: list[int], size: int = LINE) -> int:
    builder = ProgramBuilder(on)
    for number, place in enumerate(places):
        (builder.go_on if number else builder.stream)("u.l0", builder.read("m", size, place))
    return int(EmbeddedEngine(line_bytes=LINE).run(on, builder.build()).end_ps.max())


def random_places(lines: int) -> list[int]:
    places: list[int] = (np.random.default_rng(3).integers(0, 1 << 14, lines) * LINE).tolist()
    return places


def test_parts_that_are_all_under_way_take_as_long_as_the_fullest_channel() -> None:
    places = random_places(200)
    fullest = max(sum(place // 256 % CHANNELS == channel for place in places) for channel in range(CHANNELS))
    expected_ps = LATENCY_PS + fullest * LINE / (RATE / CHANNELS)
    assert kernel_ps(machine(1000), places) == pytest.approx(expected_ps, rel=0.002)


def test_parts_on_one_channel_have_that_channel_alone() -> None:
    places = [number * 256 * CHANNELS for number in range(200)]
    assert kernel_ps(machine(1000), places) == pytest.approx(LATENCY_PS + 200 * LINE / (RATE / CHANNELS), rel=0.002)


@pytest.mark.parametrize("lines", [40, 80, 160])
def test_a_window_of_few_lines_leaves_channels_idle_as_lines_that_go_round_do(lines: int) -> None:
    """Against requests one by one: each is asked for when another has come, and queues at its channel. The window is
    more than a latency's worth, or nothing would wait."""
    places = random_places(4000)
    service_ps, free_ps = LINE / (RATE / CHANNELS), [0.0] * CHANNELS
    under_way: list[float] = []
    for place in places:
        now_ps = heapq.heappop(under_way) if len(under_way) == lines else 0.0
        channel = place // 256 % CHANNELS
        free_ps[channel] = max(free_ps[channel], now_ps + LATENCY_PS) + service_ps
        heapq.heappush(under_way, free_ps[channel])
    found = kernel_ps(machine(lines), places)
    assert found == pytest.approx(max(under_way), rel=0.12)
    assert found > LATENCY_PS + 4000 * LINE / RATE


def test_of_parts_longer_than_the_window_one_at_a_time_is_under_way() -> None:
    places = [number * 1024 for number in range(50)]
    assert kernel_ps(machine(8, latency_ps=0), places, 1024) == pytest.approx(50 * 1024 / (RATE / 2), rel=0.01)


@pytest.mark.parametrize("parts", [1, 4, 16, 64])
def test_a_kernel_in_a_window_takes_as_long_in_short_parts_as_in_one(parts: int) -> None:
    """On DRAM of known timings, where what fits into the window is not limited by it: a kernel of many parts is."""
    standard = read_standard("ddr5-4800-x4")
    told = with_dram(machine(1000).memories["m"], standard, Controller("RoRaBaCoBgPc", 128, 128, refresh="off"))
    on = one_memory([unit("u", window_bytes=4096)], replace(told, latency_ps=500_000))
    size = (1 << 18) // parts
    whole, cut = kernel_ps(on, [0], 1 << 18), kernel_ps(on, [part * size for part in range(parts)], size)
    assert whole > (1 << 18) / 4096 * 450_000
    assert cut == pytest.approx(whole, rel=0.03)


@pytest.mark.parametrize("standard", ["DDR5-4800", "DDR4-3200"])
def test_random_lines_of_one_kernel_take_as_long_as_on_sst(standard: str) -> None:
    """Recorded on SST 16.0.0, by our element and by Ramulator 2.0."""
    from benchmarks import sst_ramulator

    path = Path(sst_ramulator.__file__).parent / "recorded" / "ramulator2.json"
    row = json.loads(path.read_text(encoding="utf-8"))["rows"][f"{standard}, random reads"]
    (each,) = (each for each in sst_ramulator.compared() if each.name == f"{standard}, random reads")
    on, program = each.build()
    found = EmbeddedEngine(line_bytes=each.line_bytes).run(on, program).total_ps
    for said in ("commands_ps", "ramulator2_ps"):
        assert found == pytest.approx(row[said], rel=0.06)
