"""CPU kernel times against closed forms, per instruction set, format and use of the sockets."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.hw_models.formats import BF16, find_format, formats
from moe_cosim.hw_models.shapes import AttentionShape, ExpertShape
from moe_cosim.hw_models.units.cpu import CpuKernels
from moe_cosim.hw_models.units.isa import PACKINGS, MatrixIsa, VectorIsa
from moe_cosim.hw_models.units.sockets import Sockets

SHAPE = ExpertShape(5120, 1536)
VECTORS = VectorIsa({**dict.fromkeys(PACKINGS, 8.0), "gguf-iq": 4.0, "iq4_xs": 6.0}, {"bf16": 40.0, "int8": 50.0}, 8)
TILES = MatrixIsa({"bf16": 296.0, "int8": 486.0}, tile_rows=16, above_rows=4, packings=("plain", "grouped", "gguf-k"))
CYCLES_PER_S = 52 * 2e9
CPU = CpuKernels(52, 2e9, VECTORS, TILES, math.inf, 1.0, Sockets(), launch_ps=1, expert_launch_ps=1)
"""So much memory that only arithmetic counts."""


def _expected_ps(cycles_per_weight: float) -> object:
    return pytest.approx(SHAPE.weights * cycles_per_weight / CYCLES_PER_S * 1e12, abs=1)


@pytest.mark.parametrize(
    ("tokens", "name", "cycles_per_weight"),
    [
        (1, "bf16", 1 / 8),
        (4, "bf16", 1 / 8 + 3 * 2 / 40),
        (1, "q4_k", 1 / 8),
        (3, "q4_k", 1 / 8 + 2 * 2 / 50),
        (3, "int4", 1 / 8 + 2 * 2 / 40),  # weight-only: 16-bit products
        (1, "iq2_xs", 1 / 4),
        (1, "iq4_xs", 1 / 6),  # by its name, not by its packing
    ],
)
def test_vectors_unpack_for_the_first_row_and_multiply_for_the_others(
    tokens: int, name: str, cycles_per_weight: float
) -> None:
    assert int(CPU.expert_ps(tokens, SHAPE, find_format(name))) == _expected_ps(cycles_per_weight)


def test_a_block_of_rows_unpacks_once() -> None:
    vectors = replace(CPU, tiles=None)
    nine = 2 / 4 + 7 * 2 / 50
    assert int(vectors.expert_ps(9, SHAPE, find_format("iq2_xs"))) == _expected_ps(nine)


@pytest.mark.parametrize(
    ("tokens", "name", "rows", "rate"),
    [
        (5, "bf16", 16, 296.0),
        (16, "bf16", 16, 296.0),
        (17, "bf16", 32, 296.0),
        (160, "fp8", 160, 296.0),  # no FP8 tiles
        (5, "int8-w8a8", 16, 486.0),
        (33, "q4_k", 48, 486.0),
    ],
)
def test_tiles_multiply_whole_tiles(tokens: int, name: str, rows: int, rate: float) -> None:
    assert int(CPU.expert_ps(tokens, SHAPE, find_format(name))) == _expected_ps(2 * rows / rate)


def test_formats_without_kernels_for_tiles_stay_with_the_vectors() -> None:
    weights = find_format("iq2_xs")
    assert CPU.expert_ps([1, 64], SHAPE, weights).tolist() == (
        replace(CPU, tiles=None).expert_ps([1, 64], SHAPE, weights).tolist()
    )


def test_it_says_what_it_multiplies() -> None:
    assert [CPU.computes_as(find_format(name)) for name in ("bf16", "fp8", "int4", "q4_k")] == [
        "bf16",
        "bf16",
        "bf16",
        "int8",
    ]
    only_wide = replace(CPU, vectors=replace(VECTORS, op_per_cycle={"bf16": 40.0}))
    assert [only_wide.computes_as(find_format(name)) for name in ("q4_k", "iq2_xs")] == ["int8", "bf16"]


@given(
    weights=st.sampled_from([weight_format for _, weight_format in formats]),
    tokens=st.integers(1, 64),
    share=st.floats(0.05, 1.0),
)
def test_a_kernel_takes_the_longer_of_arithmetic_and_reading_at_its_share(weights, tokens, share) -> None:
    bound = replace(CPU, memory_bytes_per_s=307.2e9).with_memory_shares({"local": share})
    reading_ps = weights.expert_bytes(SHAPE) / (share * 307.2e9) * 1e12
    expected = max(int(CPU.expert_ps(tokens, SHAPE, weights)), math.ceil(reading_ps))
    assert int(bound.expert_ps(tokens, SHAPE, weights)) == pytest.approx(expected, abs=1)


def test_low_i_quants_are_bound_by_the_cores_where_k_quants_are_bound_by_memory() -> None:
    """24 cores of Zen 4 at 4.2 GHz with 225 GB/s: ik_llama.cpp discussion 258 decodes IQ2_XS more slowly than Q2_K."""
    cpu = replace(CPU, cores=24, clock_hz=4.2e9, tiles=None, memory_bytes_per_s=225e9)
    iq, k = find_format("iq2_xs"), find_format("q2_k")
    assert iq.expert_bytes(SHAPE) < k.expert_bytes(SHAPE)
    assert int(cpu.expert_ps(1, SHAPE, iq)) > int(cpu.expert_ps(1, SHAPE, k))
    assert int(cpu.expert_ps(1, SHAPE, k)) == math.ceil(k.expert_bytes(SHAPE) / 225e9 * 1e12)


def test_sockets() -> None:
    """Of two sockets with 100 GB/s each: one, both over a link, both from their own memory."""

    def rates(link: float) -> list[float]:
        modes = ("local", "interleaved", "tensor-parallel")
        return [Sockets(2, mode, link).read_bytes_per_s(100e9) for mode in modes]

    assert rates(30e9) == [100e9, 120e9, 200e9]  # a quarter of the bytes crosses the link each way
    assert rates(60e9) == [100e9, 200e9, 200e9]
    assert Sockets(4, "interleaved", 10e9).read_bytes_per_s(100e9) == 160e9


@pytest.mark.parametrize("mode", ["local", "interleaved", "tensor-parallel"])
def test_sockets_at_work_bring_their_cores_and_channels(mode: str) -> None:
    one = replace(CPU, memory_bytes_per_s=225e9)
    two = replace(one, sockets=Sockets(2, mode, math.inf))
    tokens = np.array([1, 64, 4096])
    expected = one.expert_ps(tokens, SHAPE, BF16) / (1 if mode == "local" else 2)
    assert two.expert_ps(tokens, SHAPE, BF16) == pytest.approx(expected, abs=1)


def test_a_dense_product_is_the_longer_of_arithmetic_and_reading() -> None:
    assert int(CPU.dense_ps(32, 1000, 2000)) == pytest.approx(2 * 32 * 2e6 / 296 / CYCLES_PER_S * 1e12, abs=1)
    slow = replace(CPU, memory_bytes_per_s=1e9)
    assert int(slow.dense_ps(1, 1000, 2000, find_format("q8_0"))) == pytest.approx(2e6 * 8.5 / 8 / 1e9 * 1e12, abs=1)


def test_attention_takes_its_products() -> None:
    shape = AttentionShape(heads=32, kv_heads=4, key_dim=128, value_dim=128)
    ops = 2 * 3 * 5 * 700 * 32 * 256
    assert int(CPU.attention_ps(3, 5, 700, shape)) == pytest.approx(ops / 40 / CYCLES_PER_S * 1e12, abs=1)


def test_what_has_no_rows_is_not_read() -> None:
    cpu = replace(CPU, memory_bytes_per_s=307.2e9)
    assert cpu.expert_ps([0, 1], SHAPE, BF16).tolist()[0] == 0
    assert int(cpu.dense_ps(0, 5120, 1536)) == 0
