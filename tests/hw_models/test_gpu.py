"""GPU kernel times: limits of the formula, and the measured kernels it was fitted to."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.formats import BF16, WeightFormat
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.hw_models.units.gpu import SaturatingGpu

MIXTRAL_TP2 = ExpertShape(4096, 7168)
H100 = build_machine("h100-host", Assumptions()).units["gpu.sm"].model
_KERNELS = Path(__file__).parents[3] / "shared" / "data" / "tables" / "moe_kernel_times.csv"

shapes = st.builds(ExpertShape, st.integers(256, 16384), st.integers(256, 32768), st.sampled_from([2, 3]))
tokens = st.integers(1, 1 << 16)


def stored(bits):
    return WeightFormat(f"{bits} bits", bits)


def test_closed_form():
    gpu = SaturatingGpu(100e12, 80e12, half_tokens=50, half_intermediate=1000, launch_ps=0, expert_launch_ps=0)
    shape = ExpertShape(1000, 3000)  # s = 3/4, 9e6 weights
    seconds = 2 * 9e6 * (10 / 0.75 + 50) / 100e12
    assert int(gpu.expert_ps(10, shape, BF16)) == pytest.approx(seconds * 1e12, abs=1)
    # A quarter of the bits: a quarter of the pass over the weights, the same products.
    seconds = 2 * 9e6 * (10 / 0.75 + 12.5) / 100e12
    assert int(gpu.expert_ps(10, shape, stored(4))) == pytest.approx(seconds * 1e12, abs=1)
    seconds = 2 * 1000 * 3000 * (10 / 80e12 + 50 / 100e12)
    assert int(gpu.dense_ps(10, 1000, 3000)) == pytest.approx(seconds * 1e12, abs=1)


@given(shape=shapes, m=tokens, bits=st.integers(1, 16))
def test_no_kernel_beats_the_peak(shape, m, bits):
    assert 2 * shape.weights * m / (int(H100.expert_ps(m, shape, stored(bits))) * 1e-12) <= H100.expert_op_per_s
    rate = (
        2.0 * m * shape.hidden * shape.intermediate / (int(H100.dense_ps(m, shape.hidden, shape.intermediate)) * 1e-12)
    )
    assert rate <= H100.dense_op_per_s


@given(shape=shapes, m=tokens)
def test_more_tokens_take_longer_and_run_at_a_higher_rate(shape, m):
    one, two = H100.expert_ps([m, 2 * m], shape, BF16).tolist()
    assert one < two <= 2 * one


@given(hidden=st.integers(256, 16384), intermediate=st.integers(768, 32768), bits=st.integers(2, 16))
def test_one_token_is_bound_by_reading_the_weights(hidden, intermediate, bits):
    """At the measured 3.12 TB/s, from the smallest expert that was measured up."""
    shape = ExpertShape(hidden, intermediate)
    assert int(H100.expert_ps(1, shape, stored(bits))) <= shape.weights * bits / 8 / 3.12e12 * 1e12 + 1


def test_no_tokens_take_no_time_and_arguments_broadcast():
    times = H100.expert_ps(np.array([[0], [5]]), MIXTRAL_TP2, BF16)
    assert times.shape == (2, 1)
    assert times.dtype == np.int64
    assert (times[0] == 0).all()
    assert (times[1] > 0).all()
    assert int(H100.dense_ps(0, 10, 10)) == 0


@pytest.mark.parametrize(("m", "measured_tflops"), [(64, 168.0), (128, 272.4), (256, 432.7), (384, 481.9)])
def test_measured_mixtral_rates(m, measured_tflops):
    """Fused MoE on an H100, Mixtral TP2 bf16, 8 experts (vllm#24700), within 12 %."""
    traffic_ps = MIXTRAL_TP2.weights * 2 / 3.12e12 * 1e12
    total_ps = H100.expert_launch_ps + 8 * max(int(H100.expert_ps(m, MIXTRAL_TP2, BF16)), traffic_ps)
    tflops = 8 * 2 * MIXTRAL_TP2.weights * m / (total_ps * 1e-12) / 1e12
    assert tflops == pytest.approx(measured_tflops, rel=0.12)


@pytest.mark.skipif(not _KERNELS.is_file(), reason="the measured kernels are not beside the checkout")
@pytest.mark.parametrize(
    ("device", "model", "bytes_per_s", "launch_us", "mean", "largest"),
    [
        ("h100-host", "Mixtral-8x7B TP2 shard", 3.12e12, 31.5, 0.025, 0.12),
        ("h100-host", "fp8 w8a8", 2.79e12, 28.0, 0.08, 0.20),
        ("a100-monde", "A100-PCIE-40GB", 1.38e12, 56.0, 0.02, 0.06),
    ],
)
def test_measured_kernels(device, model, bytes_per_s, launch_us, mean, largest):
    """launch + max(bytes / measured bandwidth, this model) against every measured row."""
    gpu = build_machine(device, Assumptions()).units["gpu.sm"].model
    errors = []
    with _KERNELS.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if model not in row["device"] + row["model_shape"] + row["dtype"]:
                continue
            shape = ExpertShape(int(row["hidden"]), int(row["inter_per_shard"]))
            bits = 8 if "fp8" in row["dtype"] else 16
            experts = float(row["expected_distinct_experts_uniform"])
            m = float(row["tokens"]) * float(row["top_k"]) / experts
            compute_us = experts * int(gpu.expert_ps(m, shape, stored(bits))) * 1e-6
            traffic_us = float(row["weight_MB_touched"]) * 1e6 / bytes_per_s * 1e6
            errors.append(abs((launch_us + max(compute_us, traffic_us)) / float(row["time_us"]) - 1))
    assert len(errors) >= 10
    assert np.mean(errors) < mean
    assert max(errors) < largest
