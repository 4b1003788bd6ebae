"""Waits for rows of others: banks simulated request by request, limits, and what a description may say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.build import build_device, build_machine
from moe_cosim.hw_models.dram.row_conflicts import RowConflicts

BANKS, OPEN_PS, REOPEN_PS, RECOVERY_PS = 32, 400e3, 30e3, 20e3
ROWS = RowConflicts(BANKS, OPEN_PS, REOPEN_PS, RECOVERY_PS)


@pytest.mark.parametrize("bytes_per_s", [0.5e9, 4e9, 20e9])
def test_open_rows_are_those_of_banks_simulated_request_by_request(bytes_per_s: float) -> None:
    random, requests = np.random.default_rng(11), 40_000
    at_ps = np.cumsum(random.exponential(64 / bytes_per_s * 1e12, requests))
    bank, written = random.integers(0, BANKS, requests), random.random(requests) < 0.25
    last_ps, by_write = np.full(BANKS, -np.inf), np.zeros(BANKS, dtype=bool)
    waits_ps = np.zeros(requests)
    for request in range(requests):
        here = bank[request]
        if at_ps[request] - last_ps[here] < OPEN_PS:
            waits_ps[request] = REOPEN_PS + RECOVERY_PS * by_write[here]
        last_ps[here], by_write[here] = at_ps[request], written[request]
    assert ROWS.wait_ps(bytes_per_s, 0.25) == pytest.approx(waits_ps.mean(), rel=0.05)


@given(st.floats(0, 1e11), st.floats(0, 1e11), st.floats(0, 1))
def test_waits_rise_with_load_to_what_closing_and_opening_take(one: float, other: float, written: float) -> None:
    few, many = (ROWS.wait_ps(load, written) for load in sorted((one, other)))
    assert 0 <= few <= many <= REOPEN_PS + written * RECOVERY_PS
    assert ROWS.wait_ps(0, written) == 0


def test_the_catalogues_expander_has_those_of_its_standard() -> None:
    memory = build_machine("h100-cxl-memory-flit68", Assumptions()).memories["memory.dram"]
    assert memory.dram is not None
    assert memory.conflicts is not None
    timings, clock_ps = memory.dram.standard.timings, memory.dram.standard.clock_ns * 1000
    assert memory.conflicts.banks == memory.channels * memory.dram.standard.banks
    assert memory.conflicts.reopen_ps == (timings["tRP"] + timings["tRCD"]) * clock_ps
    assert memory.conflicts.row_open_ps == 700_000


def test_a_memory_of_no_known_banks_has_no_row_timeout() -> None:
    path = catalog.find("cxl-type3", "device")
    tree = catalog.read(path, "device")
    tree["memories"]["dram"]["standard"] = "sram"
    del tree["memories"]["dram"]["speed"]
    with pytest.raises(InputError, match=r"row_timeout: found a time; allowed: none: sram holds shares of the peak"):
        build_device(tree, path, Assumptions())
