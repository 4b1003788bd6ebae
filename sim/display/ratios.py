"""Numbers against a baseline's, and their geometric mean."""

from __future__ import annotations

import math
from collections.abc import Iterable

from moe_cosim.sim.display.units import better


def geometric_mean(values: Iterable[float]) -> float:
    """The n-th root of the product of values above 0; `ValueError` where there are none, or one is not above 0.

    The mean that does not depend on which system the ratios are taken to (P. Fleming, J. Wallace: How not to lie with
    statistics, CACM 1986).
    """
    logs = [math.log(value) for value in values]
    if not logs:
        raise ValueError("no values")
    return math.exp(math.fsum(logs) / len(logs))


def speed_up(value: float, base: float, unit: str) -> float:
    """How many times better than `base`: above 1 for more of what is to be high, and for less of what is to be low."""
    return value / base if better(unit) == "higher" else base / value
