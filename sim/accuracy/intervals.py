"""What a mean over prompts says: 95 % intervals by Student's t."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_QUANTILES: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Student's t at 97.5 % for 1 to 10 degrees of freedom."""
_NORMAL: Final = 1.959964


@dataclass(frozen=True)
class MeanInterval:
    """A mean, and where it lies with 95 % confidence."""

    mean: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2

    @property
    def sign(self) -> int:
        """1 or -1 where the interval does not hold 0, else 0."""
        return int(self.low > 0) - int(self.high < 0)


def t_quantile(freedom: int) -> float:
    """Student's t at 97.5 %: the table, then the normal quantile with three corrections
    (Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.5)."""
    if freedom <= len(_QUANTILES):
        return _QUANTILES[freedom - 1]
    x = _NORMAL
    first = (x**3 + x) / 4
    second = (5 * x**5 + 16 * x**3 + 3 * x) / 96
    third = (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384
    return x + first / freedom + second / freedom**2 + third / freedom**3


def t_interval(values: NDArray[np.float64]) -> MeanInterval:
    """Of the mean of independent `values` [n]; with one value it is all numbers."""
    mean = float(values.mean())
    if len(values) < 2:
        return MeanInterval(mean, -math.inf, math.inf)
    half = t_quantile(len(values) - 1) * float(values.std(ddof=1)) / math.sqrt(len(values))
    return MeanInterval(mean, mean - half, mean + half)
