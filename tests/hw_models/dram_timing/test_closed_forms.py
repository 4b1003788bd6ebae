"""Streams whose time one timing decides alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from moe_cosim.hw_models.dram_timing import achieved
from moe_cosim.hw_models.dram_timing.achieved import simulate, simulate_pattern
from moe_cosim.hw_models.dram_timing.channel import State, new_state
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.idle import idle_latency_ns
from moe_cosim.hw_models.dram_timing.limits import limits_of
from moe_cosim.hw_models.dram_timing.pattern import AccessPattern
from moe_cosim.hw_models.dram_timing.standard import DramStandard, read_standard

NAMES = ("ddr4-3200", "ddr5-4800", "hbm2", "hbm3", "lpddr5")
QUIET = Controller(refresh="off", read_queue=64, write_queue=64)

Places = Callable[[np.ndarray], Sequence[int] | np.ndarray]


def clocks_per_access(standard: DramStandard, bank: Places, row: Places, write: int = 0) -> float:
    """In the long run: what twice as many take more."""

    def served(count: int) -> float:
        place = np.arange(count)
        found = simulate(standard, QUIET, bank(place), row(place), np.full(count, write))
        return found.elapsed_ns / standard.clock_ns

    return round((served(2048) - served(1024)) / 1024, 6)


def nothing(place: np.ndarray) -> np.ndarray:
    return np.zeros_like(place)


@pytest.mark.parametrize("name", NAMES)
def test_one_open_row_is_read_once_per_long_column_gap(name: str) -> None:
    standard = read_standard(name)
    assert clocks_per_access(standard, nothing, nothing) == standard.timings["tCCD_L"]


@pytest.mark.parametrize("name", NAMES)
def test_one_open_row_is_written_once_per_long_column_gap_of_writes(name: str) -> None:
    standard = read_standard(name)
    gap = standard.timings.get("tCCD_L_WR", standard.timings["tCCD_L"])
    assert clocks_per_access(standard, nothing, nothing, write=1) == gap


def test_a_new_row_of_one_bank_each_time_takes_a_row_cycle() -> None:
    standard = read_standard("ddr4-3200")
    assert clocks_per_access(standard, nothing, lambda place: place % standard.rows) == standard.timings["tRC"]


@pytest.mark.parametrize("window", [34, 68, 100])
def test_new_rows_of_other_banks_come_four_per_activate_window(window: int) -> None:
    """A clock of each window may be lost where another command holds the one bus."""
    standard = read_standard("ddr4-3200")
    standard = replace(standard, timings={**standard.timings, "tFAW": window})
    groups, inside = standard.bank_groups, standard.banks_per_group
    found = clocks_per_access(
        standard,
        lambda place: place % groups * inside + place // groups % inside,
        lambda place: place // standard.banks,
    )
    assert window <= 4 * found <= window + 1


def test_ranks_that_take_turns_leave_a_gap_between_bursts() -> None:
    standard = replace(read_standard("ddr4-3200"), ranks=2)
    each = standard.bank_groups * standard.banks_per_group
    found = clocks_per_access(standard, lambda place: place % 2 * each, nothing)
    assert found == standard.burst_clocks + standard.timings["tCS"]


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_reaches_the_peak_but_for_refresh(name: str) -> None:
    standard = read_standard(name)
    quiet = replace(QUIET, mapping="RoRaBaCoBgPc", read_queue=128)
    free = simulate_pattern(standard, quiet, AccessPattern()).bytes_per_s
    assert free == pytest.approx(standard.peak_bytes_per_s, rel=0.005)
    refreshed = simulate_pattern(standard, replace(quiet, refresh="all-bank"), AccessPattern()).bytes_per_s
    t = standard.timings
    lost = 1 - refreshed / free
    around = t["tRAS"] + t["tRP"] + t["tRCD"] + t["tCL"]  # to close all rows, and to open them again
    assert t["tRFC"] / t["tREFI"] < lost < (t["tRFC"] + around) / t["tREFI"]


@pytest.mark.parametrize("name", ["hbm2", "hbm3", "lpddr5"])
def test_refresh_of_single_banks_hides_behind_the_others(name: str) -> None:
    standard = read_standard(name)
    banks, every = (
        simulate_pattern(standard, replace(QUIET, mapping="RoRaBaCoBgPc", refresh=refresh), AccessPattern())
        for refresh in ("per-bank", "all-bank")
    )
    assert every.bytes_per_s < banks.bytes_per_s <= standard.peak_bytes_per_s


@pytest.mark.parametrize("name", ["ddr4-3200", "hbm2"])
def test_an_idle_channel_answers_after_the_commands_that_a_row_needs(name: str) -> None:
    standard = read_standard(name)
    t, one = standard.timings, 1  # the tick at which the controller looks
    activate = standard.activate_clocks - 1  # its own further clocks: later by them, and known later by them
    answer = one + t["tCL"] + standard.burst_clocks
    expected = {
        "hit": answer,
        "closed": answer + activate + t["tRCD"],
        "conflict": answer + activate + t["tRCD"] + t["tRP"] - activate,
    }
    assert {row: idle_latency_ns(standard, row) / standard.clock_ns for row in expected} == pytest.approx(expected)


def test_a_read_of_lpddr5_waits_for_its_data_clock_too() -> None:
    standard = read_standard("lpddr5")
    looked, started = 1, 1
    expected = looked + started + standard.timings["tCL"] + standard.burst_clocks
    assert idle_latency_ns(standard, "hit") / standard.clock_ns == pytest.approx(expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mapping", ["RoBaRaCoCh", "RoRaBaCoBgPc", "MOP4CLXOR"])
@pytest.mark.parametrize("order", ["sequential", "random"])
@pytest.mark.parametrize("policy", ["open", "closed"])
def test_every_access_is_counted_once_and_none_beats_the_pins(name: str, mapping: str, order: str, policy: str) -> None:
    standard = read_standard(name)
    controller = Controller(mapping=mapping, page_policy=policy)
    pattern = AccessPattern(order=order, block_bytes=256, streams=3, read_share=2 / 3, total_bytes=256 * 1000)
    once = simulate_pattern(standard, controller, pattern)
    assert once.row_hits + once.row_misses + once.row_conflicts == 256 * 1000 // standard.access_bytes
    assert 0 < once.bytes_per_s <= standard.peak_bytes_per_s
    assert once.read_latency_ns > (standard.timings["tCL"] + standard.burst_clocks) * standard.clock_ns
    assert once == simulate_pattern(standard, controller, pattern)


def test_closed_rows_never_conflict() -> None:
    random = AccessPattern(order="random", total_bytes=1 << 18)
    standard = read_standard("ddr4-3200")
    assert simulate_pattern(standard, replace(QUIET, page_policy="closed"), random).row_conflicts == 0
    assert simulate_pattern(standard, QUIET, random).row_conflicts > 0


def test_a_precharge_that_waits_is_noted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often its bank is closed for a request meanwhile: the list of what waits has room for one of each."""
    longer: list[NDArray[np.int64]] = []

    def with_room_behind(*of: Any) -> State:
        state = new_state(*of)
        longer.append(np.full((4 * len(state.urgent), 2), -7, np.int64))
        return state._replace(urgent=longer[-1][: len(state.urgent)])

    monkeypatch.setattr(achieved, "new_state", with_room_behind)
    closed = Controller(
        mapping="RoRaBaCoBgPc", read_queue=128, write_queue=128, page_policy="closed", refresh="per-bank"
    )
    writes = AccessPattern(order="random", read_share=0.0, total_bytes=1 << 20)
    simulate_pattern(read_standard("lpddr5x"), closed, writes)
    (list_and_behind,) = longer
    assert (list_and_behind[len(list_and_behind) // 4 :] == -7).all()


def test_a_deeper_queue_finds_more_and_waits_longer() -> None:
    standard = read_standard("hbm3")
    random = AccessPattern(order="random", total_bytes=1 << 20)
    short, long = (simulate_pattern(standard, replace(QUIET, read_queue=depth), random) for depth in (8, 128))
    assert short.bytes_per_s < long.bytes_per_s
    assert short.read_latency_ns < long.read_latency_ns


def test_writes_are_drained_together() -> None:
    """The longer writes are collected, the less often the bus turns."""
    standard = read_standard("ddr4-3200")
    mixed = AccessPattern(streams=2, read_share=0.5, total_bytes=1 << 20)
    often, seldom = (
        simulate_pattern(standard, Controller(mapping="RoRaBaCoBgPc", write_queue=depth, read_queue=depth), mixed)
        for depth in (8, 128)
    )
    assert often.bytes_per_s < 0.8 * seldom.bytes_per_s


def test_a_data_clock_without_a_postamble_runs_as_long_as_its_data() -> None:
    standard = read_standard("lpddr5")
    bare = replace(standard, timings={name: value for name, value in standard.timings.items() if name != "tWCKPST"})
    t, ticks = standard.timings, standard.ticks_per_clock
    data = standard.burst_clocks
    for found, after in ((limits_of(bare), 0), (limits_of(standard), t["tWCKPST"])):
        assert found.sync_read == (t["tCL"] + data + after) * ticks
        assert found.sync_write == (t["tCWL"] + data + after) * ticks
