"""A standard at another speed: times stay, the clock changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.hw_models.dram_timing.speed import at_speed
from moe_cosim.hw_models.dram_timing.standard import AT_MOST, BURSTS, read_standard, timed

NAMES = tuple(entry.name for entry in timed())


@pytest.mark.parametrize("name", NAMES)
@given(ratio=st.floats(0.2, 3.0))
def test_no_time_gets_shorter_and_none_longer_by_a_clock(name: str, ratio: float) -> None:
    listed = read_standard(name)
    other = at_speed(listed, listed.megatransfers_per_s * ratio)
    assert other.peak_bytes_per_s == pytest.approx(ratio * listed.peak_bytes_per_s)
    for timing, clocks in other.timings.items():
        if timing in (*BURSTS, *listed.held_clocks):
            assert clocks >= listed.timings[timing]
            continue
        ns = listed.timings[timing] * listed.clock_ns
        assert clocks * other.clock_ns >= ns * (1 - 1e-5)
        if timing not in {more for _, more in AT_MOST}:
            assert clocks * other.clock_ns < ns + other.clock_ns * 1.001
    for less, more in AT_MOST:
        assert other.timings[less] <= other.timings[more]


@pytest.mark.parametrize("name", NAMES)
def test_the_listed_speed_is_the_standard_itself(name: str) -> None:
    listed = read_standard(name)
    assert at_speed(listed, listed.megatransfers_per_s) == listed
