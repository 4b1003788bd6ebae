"""Scales, mins and codes of k-quants: a small search for the least squared error.

The rule is this project's, not llama.cpp's (which weighs errors by the size of weights): per group some grids, each
fitted to its own codes by least squares, and the best kept; then scales and mins in the block's own few bits, where the
neighbours of the rounded ones are tried too.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

import numpy as np

from moe_cosim.workloads.quantization.quantizers.k_layouts import BLOCK_WEIGHTS, Floats, Halves, KBlocks, KType

_EXTRA_STEPS: Final = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
"""A group's weights span as many steps more than its codes do: what lies outside is cut off."""
_SMALLEST_HALF: Final = 2.0**-24
_LARGEST_HALF: Final = 65504.0


def reach(kind: KType) -> float:
    """Magnitude of the largest weights that certainly fit."""
    return _LARGEST_HALF * kind.scale_range[1]


def k_blocks(weights: Floats, kind: KType) -> KBlocks:
    """[blocks, 256] finite weights within `reach`, rounded."""
    groups = weights.reshape(len(weights), -1, kind.group_size)
    steps, offsets = _grids(groups, kind)
    d, dmin = _outer(steps, kind), _outer(offsets, kind)
    least, most = kind.scale_range
    rounded = [np.rint(part / outer.astype(np.float32)[:, None]) for part, outer in ((steps, d), (offsets, dmin))]
    scales, mins = np.zeros_like(steps), np.zeros_like(offsets)
    lowest = np.full_like(steps, np.inf)
    for more, above in product((0, -1, 1), (0, -1, 1) if kind.has_mins else (0,)):
        tried = (rounded[0] + more).clip(least, most), (rounded[1] + above).clip(0, most)
        grid = d.astype(np.float32)[:, None] * tried[0], dmin.astype(np.float32)[:, None] * tried[1]
        error = _error(groups, _codes(groups, *grid, kind), *grid, kind)
        better = error < lowest
        lowest = np.where(better, error, lowest)
        scales, mins = np.where(better, tried[0], scales), np.where(better, tried[1], mins)
    codes = _codes(groups, d.astype(np.float32)[:, None] * scales, dmin.astype(np.float32)[:, None] * mins, kind)
    return KBlocks(
        codes.astype(np.uint8).reshape(-1, BLOCK_WEIGHTS), scales.astype(np.int8), mins.astype(np.int8), d, dmin
    )


def _grids(groups: Floats, kind: KType) -> tuple[Floats, Floats]:
    """Step and offset of every group, the best of those tried; they are not yet rounded."""
    steps, offsets = (np.zeros(groups.shape[:2], np.float32) for _ in range(2))
    lowest = np.full_like(steps, np.inf)
    for start in _starts(groups, kind):
        grid = _refitted(groups, _codes(groups, *start, kind), *start, kind)
        error = _error(groups, _codes(groups, *grid, kind), *grid, kind)
        better = error < lowest
        lowest = np.where(better, error, lowest)
        steps, offsets = np.where(better, grid[0], steps), np.where(better, grid[1], offsets)
    return steps, offsets


def _starts(groups: Floats, kind: KType) -> Iterator[tuple[Floats, Floats]]:
    if kind.has_mins:
        low, high = groups.min(axis=2).clip(max=0), groups.max(axis=2)
        codes = 2**kind.bits - 1
        for extra, below in product(_EXTRA_STEPS, (0.0, 0.5, 1.0)):
            step = (high - low) / np.float32(codes + extra)
            yield step, (-low - np.float32(below * extra) * step).clip(min=0)
        return
    far = np.abs(groups).argmax(axis=2)[:, :, None]
    extreme = np.take_along_axis(groups, far, axis=2)[:, :, 0]
    for extra in _EXTRA_STEPS:  # the largest magnitude at either end: below the centre there is one code more
        yield -extreme / np.float32(kind.centre + extra / 2), np.zeros_like(extreme)
        yield extreme / np.float32(kind.centre - 1 + extra / 2), np.zeros_like(extreme)


def _refitted(groups: Floats, codes: Floats, step: Floats, offset: Floats, kind: KType) -> tuple[Floats, Floats]:
    """Least squares over step and offset with the codes as they are; the offset is not negative."""
    counts = codes - np.float32(kind.centre)
    squares, crossed = (counts * counts).sum(axis=2), (groups * counts).sum(axis=2)
    alone = np.divide(crossed, squares, out=step.copy(), where=squares > 0)
    if not kind.has_mins:
        return alone, offset
    count, total = counts.sum(axis=2), groups.sum(axis=2)
    spread = kind.group_size * squares - count * count
    both = np.divide(kind.group_size * crossed - total * count, spread, out=step.copy(), where=spread > 0)
    below = (both * count - total) / np.float32(kind.group_size)
    return np.where(below > 0, both, alone).clip(min=0), below.clip(min=0)


def _codes(groups: Floats, step: Floats, offset: Floats, kind: KType) -> Floats:
    """Nearest; of steps of 0 the centre."""
    per = np.divide(np.float32(1), step, out=np.zeros_like(step), where=step != 0)
    codes: Floats = np.rint((groups + offset[:, :, None]) * per[:, :, None])
    codes += np.float32(kind.centre)
    return codes.clip(0, 2**kind.bits - 1, out=codes)


def _error(groups: Floats, codes: Floats, step: Floats, offset: Floats, kind: KType) -> Floats:
    """[blocks, groups]: squared, summed."""
    off = step[:, :, None] * (codes - np.float32(kind.centre)) - offset[:, :, None] - groups
    summed: Floats = (off * off).sum(axis=2)
    return summed


def _outer(inner: Floats, kind: KType) -> Halves:
    """float16 [blocks]: the scale of scales that lets the largest be reached; never 0."""
    largest = np.abs(inner).max(axis=1) / np.float32(kind.scale_range[1])
    outer: Halves = largest.clip(_SMALLEST_HALF, _LARGEST_HALF).astype(np.float16)
    return outer
