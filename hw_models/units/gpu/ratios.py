"""Interpolation of measured over modelled time, over shapes and along one size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.units.gpu.tiles import Floats

NEAREST = 4
"""Shapes that a shape between them is interpolated from."""


@dataclass(frozen=True)
class Curves:
    """Curves of log(measured / modelled) along one size, one curve a shape.

    Between sizes of a curve linear in the logarithm; beyond its ends its last value. Between shapes the nearest, by the
    inverse square of their distance in octaves; a shape that was measured is itself.
    """

    shapes: Floats
    """[curves, sizes of a shape] log2."""
    ends: tuple[tuple[Floats, Floats], ...]
    """Of each curve, [points]: log2 of its sizes, rising, and the logarithms of its ratios."""

    def at(self, shape: Sequence[float], size: Callable[[int], Floats]) -> Floats:
        """Ratios at `shape` (log2) and at the sizes that `size` gives for each curve. The result has the shape of the
        sizes.
        """
        distance = self._distances(shape)
        near = np.argsort(distance, kind="stable")[:NEAREST]
        if distance[near[0]] < 1e-9:
            near = near[:1]
        weights = 1.0 / np.maximum(distance[near], 1e-9) ** 2
        found = [weight * np.interp(size(int(i)), *self.ends[i]) for weight, i in zip(weights, near, strict=True)]
        return np.asarray(np.exp(np.sum(found, axis=0) / weights.sum()))

    def distance(self, shape: Sequence[float]) -> float:
        """Octaves to the nearest shape that was measured."""
        return float(self._distances(shape).min())

    def _distances(self, shape: Sequence[float]) -> Floats:
        return np.asarray(np.sqrt(((self.shapes - np.asarray(shape)) ** 2).sum(axis=1)))


def curves(shapes: NDArray[np.float64], sizes: Floats, ratios: Floats) -> Curves | None:
    """Of rows: their shapes [rows, n] and sizes, both as they are; rows of one shape and size are averaged."""
    if not len(sizes):
        return None
    every, which = np.unique(shapes, axis=0, return_inverse=True)
    order = np.lexsort((sizes, which.ravel()))
    cuts = np.searchsorted(which.ravel()[order], np.arange(1, len(every)))
    ends = []
    for rows in np.split(order, cuts):
        own, place = np.unique(sizes[rows], return_inverse=True)
        logs = np.bincount(place.ravel(), np.log(ratios[rows])) / np.bincount(place.ravel())
        ends.append((np.log2(own), logs))
    return Curves(np.log2(every), tuple(ends))
