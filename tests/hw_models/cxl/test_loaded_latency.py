"""Latency under load: limits, a queue simulated line by line, and what must hold of every load."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.hw_models.cxl.loaded_latency import LoadedMemory, Requesters
from moe_cosim.hw_models.dram.row_conflicts import RowConflicts

MANY = Requesters(16, 10_000)
FEW = Requesters(15, 48)


def memory(*, read_share: float = 1.0, reopen_ps: float = 30e3, queue_lines: float = math.inf) -> LoadedMemory:
    return LoadedMemory(250e3, 48e9, read_share, RowConflicts(64, 46e3, reopen_ps, 30e3), queue_lines)


@pytest.mark.parametrize(("cores", "load"), [(1, 0.5), (1, 0.9), (16, 0.3), (16, 0.7)])
def test_waits_are_those_of_a_queue_simulated_burst_by_burst(cores, load):
    """Bursts arrive at random (Poisson), each line is served for as long as the rate says; a read comes at any time."""
    random, bursts = np.random.default_rng(7), 60_000
    service_ps = 64 / 48e9 * 1e12
    gaps = random.exponential(cores * service_ps / load, bursts)
    work, found = 0.0, np.empty(bursts)
    for index, gap in enumerate(gaps):  # Poisson arrivals see what any other would see
        work = max(0.0, work - gap)
        found[index] = work
        work += cores * service_ps
    waits = memory(reopen_ps=0).latency_ps(load * 48e9, Requesters(cores, 10_000)) - 250e3
    assert waits == pytest.approx(found.mean(), rel=0.06)


@given(st.floats(0, 60e9), st.floats(0, 60e9), st.floats(0.5, 1), st.sampled_from([MANY, FEW]))
def test_latency_rises_with_load_until_all_lines_are_under_way(one, other, share, by):
    low, high = sorted((one, other))
    few, many = (memory(read_share=share).latency_ps(load, by) for load in (low, high))
    assert few >= 250e3
    if high < 48e9 * 0.9:  # beyond, the lines that cores can have under way decide
        assert many >= few - 1e-6


@given(st.floats(1e9, 60e9), st.floats(0.5, 1))
def test_no_more_lines_are_under_way_than_cores_have(load, share):
    latency = memory(read_share=share).latency_ps(load, FEW)
    least = 250e3 + 60e3
    assert latency <= max(FEW.lines * 64e12 / load, least) * (1 + 1e-9)


def test_saturation_is_the_narrowest_part_or_what_cores_can_ask_for():
    assert memory().saturated_bytes_per_s(FEW) == 48e9
    one = Requesters(1, 1)
    assert memory(reopen_ps=0).saturated_bytes_per_s(one) == pytest.approx(64 / 250e-9)


def test_idle_is_idle_and_a_short_queue_bounds_the_wait():
    assert memory().latency_ps(0, FEW) == 250e3
    bounded = memory(reopen_ps=0, queue_lines=10).latency_ps(48e9, MANY)
    assert bounded == pytest.approx(250e3 + 10 * 64 / 48e9 * 1e12)
    assert math.isfinite(memory().latency_ps(48e9, FEW))


def test_a_negative_load_is_refused():
    with pytest.raises(ValueError, match="a load of -1"):
        memory().latency_ps(-1, FEW)
