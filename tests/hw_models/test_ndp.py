"""Systolic arrays: the closed forms of SCALE-Sim's analytical model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.hw_models.formats import BF16, WeightFormat
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.hw_models.units.ndp import DATAFLOWS, SystolicArrays

PAPER = SystolicArrays(64, 4, 4, 1e9, "weight-stationary", "linear", launch_ps=0, expert_launch_ps=0)
MIXTRAL_8X22B = ExpertShape(6144, 16384)

arrays = st.builds(
    SystolicArrays,
    st.integers(1, 80),
    st.integers(1, 32),
    st.integers(1, 32),
    st.sampled_from([0.5e9, 1e9, 1.7e9]),
    st.sampled_from(DATAFLOWS),
    st.sampled_from(["linear", "none"]),
    st.just(0),
    st.just(0),
)
shapes = st.builds(ExpertShape, st.integers(1, 9000), st.integers(1, 9000), st.sampled_from([2, 3]))


def stored(bits):
    return WeightFormat(f"{bits} bits", bits)


@pytest.mark.parametrize(
    ("dataflow", "milliseconds"),
    [("weight-stationary", 3.24), ("output-stationary", 1.18), ("ideal", 302e6 / 1024 / 1e6)],
)
def test_one_token_of_a_large_mixtral_expert(dataflow, milliseconds):
    found = int(replace(PAPER, dataflow=dataflow).expert_ps(1, MIXTRAL_8X22B, BF16))
    assert found * 1e-9 == pytest.approx(milliseconds, rel=2e-3)


def test_weight_stationary_by_hand():
    # 302 M weights in folds of 16, dealt to 64 arrays, 2*4 + 4 + 1 - 2 = 11 cycles each.
    folds = 3 * 6144 * 16384 // 16
    assert int(PAPER.expert_ps(1, MIXTRAL_8X22B, BF16)) == folds // 64 * 11 * 1000


def test_output_stationary_by_hand():
    # Gate and up: 16384/4 columns of folds over 64 arrays, 12 - 2 + 6144 cycles; down: 6144/4, 10 + 16384.
    cycles = 2 * (4096 // 64) * (10 + 6144) + (1536 // 64) * (10 + 16384)
    found = replace(PAPER, dataflow="output-stationary").expert_ps(1, MIXTRAL_8X22B, BF16)
    assert int(found) == cycles * 1000


def test_two_matrices_have_no_gate():
    three, two = ExpertShape(512, 1024, 3), ExpertShape(512, 1024, 2)
    one_into = int(PAPER.expert_ps(7, three, BF16)) - int(PAPER.expert_ps(7, two, BF16))
    assert one_into == int(PAPER.dense_ps(7, 512, 1024))


@given(unit=arrays, m=st.integers(0, 300), k=st.integers(1, 300), n=st.integers(1, 300))
def test_against_the_folds_counted_one_by_one(unit, m, k, n):
    if unit.dataflow == "ideal":
        cycles = m * k * n / (unit.arrays * unit.rows * unit.columns)
    else:
        down, through = (k, m) if unit.dataflow == "weight-stationary" else (m, k)
        busy = [0] * unit.arrays
        fold = 0
        for _ in range(0, down, unit.rows):
            for _ in range(0, n, unit.columns):
                busy[fold % unit.arrays] += 2 * unit.rows + unit.columns + through - 2
                fold += 1
        cycles = max(busy) if m else 0
    assert int(unit.dense_ps(m, k, n)) == pytest.approx(cycles * 1e12 / unit.clock_hz, abs=1)


@given(unit=arrays, shape=shapes, m=st.integers(1, 2000), bits=st.integers(1, 16))
def test_no_dataflow_beats_every_multiplier_busy(unit, shape, m, bits):
    ideal = replace(unit, dataflow="ideal").expert_ps(m, shape, stored(bits))
    assert int(ideal) <= int(unit.expert_ps(m, shape, stored(bits)))


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@given(shape=shapes, m=st.integers(1, 2000), bits=st.integers(1, 16))
def test_time_is_linear_in_bits_or_independent_of_them(dataflow, shape, m, bits):
    linear = replace(PAPER, dataflow=dataflow)
    full = int(linear.expert_ps(m, shape, BF16))
    assert int(linear.expert_ps(m, shape, stored(bits))) == pytest.approx(full * bits / 16, abs=1)
    assert int(replace(linear, bit_scaling="none").expert_ps(m, shape, stored(bits))) == full


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_no_tokens_take_no_time_and_arguments_broadcast(dataflow):
    times = replace(PAPER, dataflow=dataflow).expert_ps(np.array([[0], [5]]), MIXTRAL_8X22B, BF16)
    assert times.shape == (2, 1)
    assert times.dtype == np.int64
    assert (times[0] == 0).all()
    assert (times[1] > 0).all()
