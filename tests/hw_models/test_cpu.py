"""CPU kernel times against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from moe_cosim.hw_models.formats import BF16, WeightFormat
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.hw_models.units.cpu import AmxCpu

SHAPE = ExpertShape(5120, 1536)
CPU = AmxCpu(30.8e12, 50.6e12, 6.7e12, vector_tokens=4, tile_rows=16, launch_ps=1, expert_launch_ps=1)


def stored(bits):
    return WeightFormat(f"{bits} bits", bits)


@pytest.mark.parametrize(
    ("tokens", "bits", "rows", "rate"),
    [
        (1, 16, 1, 6.7e12),
        (4, 16, 4, 6.7e12),
        (5, 16, 16, 30.8e12),
        (16, 16, 16, 30.8e12),
        (17, 16, 32, 30.8e12),
        (160, 16, 160, 30.8e12),
        (5, 8, 16, 50.6e12),
        (33, 4, 48, 50.6e12),
        (3, 4, 3, 6.7e12),
    ],
)
def test_the_time_is_that_of_the_padded_rows_at_the_kernels_rate(
    tokens: int, bits: int, rows: int, rate: float
) -> None:
    expected = 2 * SHAPE.weights * rows / rate * 1e12
    assert int(CPU.expert_ps(tokens, SHAPE, stored(bits))) == pytest.approx(expected, abs=1)


def test_no_tokens_take_no_time_and_arrays_broadcast() -> None:
    found = CPU.expert_ps([0, 1, 64], SHAPE, BF16)
    assert found.dtype == np.int64
    assert found.shape == (3,)
    assert found[0] == 0


def test_a_dense_product_runs_at_the_16_bit_rate() -> None:
    assert int(CPU.dense_ps(32, 1000, 2000)) == pytest.approx(2 * 32 * 2e6 / 30.8e12 * 1e12, abs=1)
