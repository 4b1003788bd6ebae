"""Bounded least squares of logarithms, by Levenberg and Marquardt."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from moe_cosim.hw_models.units.gpu.tiles import Floats

HUBER = 0.25
"""Residuals (of logarithms) beyond this count linearly: a few kernels that fell back to another algorithm do not
pull all constants."""

Bounds = Mapping[str, tuple[float, float, float]]
"""Of each constant: least, start, most."""


def solve(
    bounds: Bounds,
    residuals: Callable[[dict[str, float]], Floats],
    start: Mapping[str, float] | None = None,
    turns: int = 50,
) -> tuple[dict[str, float], float]:
    """Constants within their bounds that make the squares of `residuals` least, and the sum of these."""
    low, first, high = (np.log([each[i] for each in bounds.values()]) for i in range(3))
    if start is not None:
        first = np.clip(np.log([start[name] for name in bounds]), low + 1e-6 * (high - low), high - 1e-6 * (high - low))

    def constants(x: Floats) -> dict[str, float]:
        return dict(zip(bounds, np.exp(low + (high - low) / (1.0 + np.exp(-np.clip(x, -20, 20)))), strict=True))

    def cost(x: Floats) -> Floats:
        far = np.abs(found := residuals(constants(x)))
        return np.where(far < HUBER, far, np.sqrt(np.maximum(2 * HUBER * far - HUBER**2, 0.0))) * np.sign(found)

    x = np.log((first - low) / (high - first))
    r, damping = cost(x), 1e-2
    for _ in range(turns):
        slopes = np.stack([(cost(x + step) - r) / 1e-3 for step in 1e-3 * np.eye(len(x))], axis=1)
        normal, down = slopes.T @ slopes, slopes.T @ r
        better = False
        while not better and damping < 1e8:
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-9), -down)
            there = x + np.clip(step, -1.0, 1.0)
            new = cost(there)
            better = new @ new < r @ r
            damping *= 0.2 if better else 4.0
        gained = r @ r - new @ new
        if not better:
            break
        x, r = there, new
        if gained < 1e-5 * (r @ r):
            break
    return constants(x), float(r @ r)
