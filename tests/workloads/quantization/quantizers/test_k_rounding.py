"""Rounding of k-quants: no worse than a plain grid, and codes the nearest that there are. Needs no torch."""

import numpy as np
import pytest
from numpy.typing import NDArray

from moe_cosim.workloads.quantization.quantizers.k_layouts import K_TYPES, KType
from moe_cosim.workloads.quantization.quantizers.k_rounding import k_blocks, reach


def rounded(weights: NDArray[np.float32], kind: KType) -> NDArray[np.float32]:
    return kind.values(kind.unpack(kind.pack(k_blocks(weights, kind))))


def gaussian(blocks: int, scale: float = 0.02) -> NDArray[np.float32]:
    return (np.random.default_rng(11).standard_normal((blocks, 256)) * scale).astype(np.float32)


def between_extremes(groups: NDArray[np.float32], kind: KType) -> NDArray[np.float32]:
    """The plain rule, with exact scales: the grid from the least to the largest weight, or to the largest magnitude."""
    codes = 2**kind.bits - 1
    if kind.has_mins:
        low = groups.min(axis=2, keepdims=True).clip(max=0)
        step = (groups.max(axis=2, keepdims=True) - low) / codes
        return np.asarray(np.rint((groups - low) / step) * step + low)
    step = 2 * np.abs(groups).max(axis=2, keepdims=True) / codes
    return np.asarray(np.rint(groups / step).clip(-kind.centre, kind.centre - 1) * step)


@pytest.mark.parametrize("name", K_TYPES)
def test_the_search_beats_the_grid_between_extremes(name: str) -> None:
    """Though its scales have few bits, and theirs 32."""
    kind = K_TYPES[name]
    weights = gaussian(64)
    groups = weights.reshape(64, -1, kind.group_size)
    plain = np.square(between_extremes(groups, kind) - groups).mean()
    assert np.square(rounded(weights, kind) - weights).mean() < 0.9 * plain


@pytest.mark.parametrize("name", K_TYPES)
def test_codes_are_the_nearest_that_the_scales_allow(name: str) -> None:
    """Against every code of every weight."""
    kind = K_TYPES[name]
    weights = gaussian(4)
    blocks = k_blocks(weights, kind)
    every = [
        kind.values(blocks._replace(codes=np.full_like(blocks.codes, code))) - weights for code in range(2**kind.bits)
    ]
    nearest = np.abs(every).min(axis=0)
    np.testing.assert_allclose(np.abs(kind.values(blocks) - weights), nearest, atol=1e-8)


@pytest.mark.parametrize("name", K_TYPES)
def test_weights_of_one_magnitude_are_kept(name: str) -> None:
    """Two values are within any number of codes; what is left is how finely scales and mins are kept."""
    kind = K_TYPES[name]
    signs = np.where(np.random.default_rng(0).random((8, 256)) < 0.5, -1, 1).astype(np.float32)
    np.testing.assert_allclose(rounded(0.02 * signs, kind), 0.02 * signs, rtol=1 / 8 if kind.bits < 4 else 1 / 30)


@pytest.mark.parametrize("name", K_TYPES)
@pytest.mark.filterwarnings("error")
def test_degenerate_blocks(name: str) -> None:
    """Zeros stay zeros; one sign, one outlier, and weights at either end of 16-bit scales are rounded, not lost."""
    kind = K_TYPES[name]
    assert (rounded(np.zeros((1, 256), np.float32), kind) == 0).all()
    outlier = gaussian(1)
    outlier[0, 5] = 10.0
    for weights in (
        np.abs(gaussian(2)),
        -np.abs(gaussian(2)),
        outlier,
        gaussian(2, 1e-3 * reach(kind)),
        gaussian(1, 1e-9),
    ):
        found = rounded(weights, kind)
        assert np.isfinite(found).all()
        assert np.square(found - weights).sum() <= np.square(weights).sum()
    edge = np.full((1, 256), reach(kind), np.float32)
    np.testing.assert_allclose(rounded(edge, kind), edge, rtol=0.05)
    np.testing.assert_allclose(rounded(-edge, kind), -edge, rtol=0.05)


def test_equal_weights_are_rounded_equally_wherever_they_lie() -> None:
    weights = gaussian(6)
    kind = K_TYPES["q2_k"]
    np.testing.assert_array_equal(rounded(weights, kind)[4:], rounded(weights[4:], kind))
