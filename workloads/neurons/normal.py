"""Two correlated normals above thresholds: the closed forms that the generator is solved from."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

NORMAL: Final = NormalDist()
_NODES: Final = 200
_HALVINGS: Final = 60
_HIGHEST: Final = 1.0 - 1e-9


def both_above(first: float, second: float, correlation: float) -> float:
    """P(X > first, Y > second) of standard normals (Plackett 1954: its derivative by the correlation is the joint
    density)."""
    nodes, weights = _gauss_legendre()
    angle = float(np.arcsin(correlation))
    at = angle * (nodes + 1.0) / 2.0
    sine = np.sin(at)
    exponent = (first**2 - 2.0 * sine * first * second + second**2) / (2.0 * np.cos(at) ** 2)
    moved = float((weights * np.exp(-exponent)).sum()) * angle / (4.0 * np.pi)
    return (1.0 - NORMAL.cdf(first)) * (1.0 - NORMAL.cdf(second)) + moved


def correlation_for(wanted: float, found: Callable[[float], float]) -> float | None:
    """The correlation from 0 to 1 at which the increasing `found` comes to `wanted`; None where none does."""
    low, high = 0.0, _HIGHEST
    if not found(low) <= wanted <= found(high):
        return None
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if found(middle) < wanted else (low, middle)
    return low


@lru_cache(maxsize=1)
def _gauss_legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return nodes, weights
