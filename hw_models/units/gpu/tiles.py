"""The time of matrix products that multiprocessors compute tile by tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_ROWS = 16
"""Rows of the smallest tile that tensor cores multiply."""


@dataclass(frozen=True)
class Rates:
    """What a data sheet promises one kernel."""

    multiprocessors: int
    op_per_s: float
    """Of the operand type that the kernel multiplies."""
    bytes_per_s: float
    """Peak of the GPU's own memory."""


@dataclass(frozen=True)
class TileConstants:
    """How a library's kernels use a GPU. Shares are of the data sheet's peaks."""

    start_us: float
    """Of a kernel with nothing to do, or of several that always run together."""
    memory_share: float
    """Of the peak bandwidth, at which weights are read."""
    compute_share: float
    """Of the operand type's peak rate, at which full tiles run."""
    activation_share: float
    """Of the peak bandwidth, at which rows pass between products; above 1 where they stay in the cache."""
    tile_rows: int
    """Of the largest tile. For fewer rows a kernel has tiles of the next power of two."""
    tile_columns: int
    fill_rows: float
    """Rows' worth of time that a tile takes beyond its own: loading its weights, and unpacking them."""
    fill_inner: float
    """The same along the inner dimension: filling and draining the pipeline."""
    splits: float
    """Parts that a tile's work is cut into where there are fewer tiles than multiprocessors."""
    sharpness: float
    """n of (memory^n + compute^n)^(1/n): with 1 they follow each other, with many the longer hides the other."""


def tile_rows(rows: Floats, largest: int) -> Floats:
    """Rows of the tiles that a kernel picks for so many rows per expert (or in all). In the shape of `rows`: a power of
    two from `LEAST_ROWS` to `largest`.
    """
    return np.clip(np.exp2(np.ceil(np.log2(np.maximum(rows, 1.0)))), LEAST_ROWS, largest)


def overlapped(one: Floats, other: Floats, sharpness: float) -> Floats:
    """(one^n + other^n)^(1/n), without overflow. Both have one shape."""
    longer, shorter = np.maximum(one, other), np.minimum(one, other)
    share = np.divide(shorter, longer, out=np.zeros_like(longer), where=longer > 0)
    return longer * (1.0 + share**sharpness) ** (1.0 / sharpness)


def product_s(
    row_tiles: Floats,
    size: Floats,
    matrices: Floats | float,
    inner: Floats | float,
    columns: Floats | float,
    moved_bytes: Floats,
    c: TileConstants,
    gpu: Rates,
) -> Floats:
    """Seconds of a kernel that multiplies [`row_tiles` x `size`, `inner`] by `matrices` of [`inner`, `columns`].

    Compute: multiprocessors take tiles in waves, of which the last may be part empty. Memory: `moved_bytes` at the
    achieved rate, or below where fewer parts of matrices are asked for than there are multiprocessors. Arrays are
    [kernels].
    """
    across = np.ceil(columns / c.tile_columns)
    waves = np.ceil(row_tiles * across * c.splits / gpu.multiprocessors) / c.splits
    tile_op = 2.0 * (size + c.fill_rows) * c.tile_columns * (inner + c.fill_inner)
    compute = waves * tile_op * gpu.multiprocessors / (gpu.op_per_s * c.compute_share)
    asking = np.clip(matrices * across * c.splits / gpu.multiprocessors, 1e-9, 1.0)
    memory = moved_bytes / (gpu.bytes_per_s * c.memory_share * asking)
    return overlapped(compute, memory, c.sharpness)
