"""GPU times as measured: a small made-up table is met where it has a kernel, and interpolated between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.hw_models.formats import BF16, find_format
from moe_cosim.hw_models.shapes import AttentionShape, ExpertShape
from moe_cosim.hw_models.units.fused_moe import kernel_time_ps
from moe_cosim.hw_models.units.gpu import tables
from moe_cosim.hw_models.units.gpu.measured import MeasuredGpu
from moe_cosim.hw_models.units.gpu.ratios import curves
from moe_cosim.hw_models.units.gpu.tables import MeasuredTables
from tests.hw_models.measured_tables import TABLES, decode_row, experts_row, product_row, write_table
from tests.hw_models.test_tile_gpu import H100

QWEN = ExpertShape(2048, 768)
HEADS = AttentionShape(heads=32, kv_heads=4, key_dim=128, value_dim=128)
MS = {1: 0.05, 4: 0.15, 16: 0.5, 64: 0.7, 1024: 0.9, 4096: 1.5}
"""By tokens; none quicker than reading the weights."""


@pytest.fixture
def gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MeasuredGpu]:
    narrow = [experts_row(tokens, ms, inter_size=384) for tokens, ms in MS.items()]
    warm = experts_row(32, 0.01)  # 1.2 GB in 10 us: they lay in the cache
    other = [
        experts_row(8, 9.0, distribution="power_law_1.2"),
        experts_row(8, 9.0, moe_ep_size=8),
        experts_row(8, 9.0, moe_dtype="fp8"),
    ]
    rows = [experts_row(tokens, ms) for tokens, ms in MS.items()]
    write_table(tmp_path, "moe", "moe_perf", [*rows, *narrow, warm, *other])
    write_table(tmp_path, "gemm", "gemm_perf", [product_row(m, 4096, 4096, 0.03 + m * 1e-4) for m in (1, 16, 256)])
    decodes = [decode_row(b, keys, 0.02 + b * keys * 1e-6) for b in (1, 8) for keys in (128, 2048)]
    write_table(tmp_path, "attention", "generation_attention_perf", decodes)
    monkeypatch.setattr(tables, "tables_root", lambda: tmp_path)
    tables._read.cache_clear()
    yield MeasuredGpu(H100, MeasuredTables(**TABLES))
    tables._read.cache_clear()


@pytest.mark.parametrize("tokens", MS)
def test_a_measured_kernel_takes_what_was_measured(gpu: MeasuredGpu, tokens: int) -> None:
    assert kernel_time_ps(gpu, tokens, 8, 128, QWEN, BF16) == pytest.approx(MS[tokens] * 1e9, abs=128)


def test_between_token_counts_lies_between(gpu: MeasuredGpu) -> None:
    """The ratio to the tile model does; so a kernel left out is near where the ratios beside it are."""
    ratio = {
        tokens: kernel_time_ps(gpu, tokens, 8, 128, QWEN, BF16) / kernel_time_ps(H100, tokens, 8, 128, QWEN, BF16)
        for tokens in (64, 256, 1024)
    }
    assert ratio[256] == pytest.approx((ratio[64] * ratio[1024]) ** 0.5, rel=1e-6)


def test_beyond_the_last_token_count_its_ratio_holds(gpu: MeasuredGpu) -> None:
    far, last = (
        kernel_time_ps(gpu, tokens, 8, 128, QWEN, BF16) / kernel_time_ps(H100, tokens, 8, 128, QWEN, BF16)
        for tokens in (1 << 16, 4096)
    )
    assert far == pytest.approx(last, rel=1e-6)


def test_part_of_the_experts_have_the_ratio_of_their_load(gpu: MeasuredGpu) -> None:
    """40 experts with 4 tokens each: as a layer of 64 tokens, where each of 128 experts has 4."""
    loads, zeros = np.full(40, 4), np.zeros(40, np.int64)
    part = int(gpu.experts_ps(loads, zeros, QWEN, (BF16,), zeros).sum())
    tile = int(H100.experts_ps(loads, zeros, QWEN, (BF16,), zeros).sum()) + H100.expert_launch_ps
    whole = kernel_time_ps(H100, 64, 8, 128, QWEN, BF16)
    assert part / tile == pytest.approx(MS[64] * 1e9 / whole, rel=1e-3)


def test_shapes_between_are_interpolated_and_said(gpu: MeasuredGpu) -> None:
    between = ExpertShape(2048, 543)  # half an octave from both
    ratios = [
        kernel_time_ps(gpu, 64, 8, 128, shape, BF16) / kernel_time_ps(H100, 64, 8, 128, shape, BF16)
        for shape in (QWEN, between, ExpertShape(2048, 384))
    ]
    assert min(ratios[0], ratios[2]) < ratios[1] < max(ratios[0], ratios[2])
    assert gpu.beyond_measurements(QWEN, BF16) is None
    said = gpu.beyond_measurements(between, BF16)
    assert said is not None
    assert said.value == "0.50 octaves away"
    assert "made_up vllm 1.0" in said.source


def test_a_format_without_a_table_is_the_tile_models(gpu: MeasuredGpu) -> None:
    int4 = find_format("int4")
    assert kernel_time_ps(gpu, 64, 8, 128, QWEN, int4) == pytest.approx(
        kernel_time_ps(H100, 64, 8, 128, QWEN, int4), abs=256
    )
    said = gpu.beyond_measurements(QWEN, int4)
    assert said is not None
    assert said.value == "tile-gpu"


def test_dense_products_and_attention(gpu: MeasuredGpu) -> None:
    assert int(gpu.dense_ps(16, 4096, 4096)) == pytest.approx(0.0316e9, abs=2)
    assert int(gpu.attention_ps(8, 1, 2048, HEADS)) == pytest.approx((0.02 + 8 * 2048e-6) * 1e9, abs=2)
    assert int(gpu.attention_ps(1, 64, 32, HEADS)) == int(H100.attention_ps(1, 64, 32, HEADS))  # no such table


def test_rows_of_a_shape_and_size_are_averaged() -> None:
    found = curves(np.array([[2.0], [2.0], [8.0]]), np.array([4.0, 4.0, 4.0]), np.array([1.0, 4.0, 3.0]))
    assert found is not None
    size = np.array([2.0])
    assert found.at([1.0], lambda _: size).tolist() == pytest.approx([2.0])
    assert found.at([2.0], lambda _: size).tolist() == pytest.approx([6.0**0.5])  # as far from both
    assert curves(np.zeros((0, 1)), np.zeros(0), np.zeros(0)) is None


def test_an_unknown_device_is_refused(gpu: MeasuredGpu) -> None:
    other = MeasuredGpu(H100, MeasuredTables("vllm", "1.0", "no_such"))
    with pytest.raises(InputError, match=r"measured-gpu: tables\.device: found 'no_such'; allowed: one of made_up"):
        other.dense_ps(1, 1, 1)


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    with pytest.raises(InputError) as refused:
        MeasuredGpu(H100, MeasuredTables(**TABLES)).dense_ps(1, 1, 1)
    assert str(refused.value) == (
        "measured-gpu: environment: found no aiconfigurator_core; allowed: the extra 'measured': "
        "pip install 'moe-cosim[measured]' (or kind: tile-gpu)"
    )


@pytest.mark.usefixtures("gpu")
def test_attention_of_windows_is_left_out_and_a_query_sees_itself(tmp_path: Path) -> None:
    """A decode step behind 127 tokens has 128 keys; the mean query of a prompt of 63 has 32."""
    wide, windowed = decode_row(1, 128, 0.1), {**decode_row(1, 4096, 0.2), "window_size": 128}
    write_table(tmp_path, "attention", "generation_attention_perf", [wide, windowed])
    prompt = {**decode_row(2, 1, 0.3), "isl": 63}
    del prompt["window_size"]  # as tables of versions that measured no windows
    write_table(tmp_path, "attention", "context_attention_perf", [prompt])
    found = MeasuredTables(**TABLES)
    decode, prefill = found.attention("decode"), found.attention("prefill")
    assert (decode["keys"].tolist(), decode["queries"].tolist()) == ([128], [1])
    assert (prefill["keys"].tolist(), prefill["queries"].tolist()) == ([32], [63])
    assert decode["seconds"].tolist() == pytest.approx([1e-4])


@pytest.mark.usefixtures("gpu")
def test_experts_that_several_gpus_share_are_slices_of_them(tmp_path: Path) -> None:
    rows = [experts_row(1, 0.1, moe_tp_size=ways) for ways in (1, 2, 0)]
    write_table(tmp_path, "moe", "moe_perf", rows)
    assert MeasuredTables(**TABLES).experts("bfloat16")["intermediate"].tolist() == [768, 384, 768]
