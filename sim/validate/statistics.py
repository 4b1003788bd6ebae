"""What a set of relative errors comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Statistics:
    """Of relative errors, (predicted - measured) / measured; all but `n` are None where there is no error."""

    n: int
    mean_abs: float | None = None
    median_abs: float | None = None
    p95_abs: float | None = None
    """The 95 % quantile of the absolute errors, linear between neighbours (NumPy's default)."""
    worst: float | None = None
    """The error farthest from zero, with its sign."""
    bias: float | None = None
    """The mean with signs."""

    @classmethod
    def of(cls, errors: Sequence[float]) -> Statistics:
        """Without errors, `n` is 0 and the rest unknown."""
        if not errors:
            return cls(0)
        signed = np.asarray(errors, dtype=np.float64)
        size = np.abs(signed)
        return cls(
            n=len(errors),
            mean_abs=float(size.mean()),
            median_abs=float(np.median(size)),
            p95_abs=float(np.quantile(size, 0.95)),
            worst=float(signed[size.argmax()]),
            bias=float(signed.mean()),
        )

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)
