"""Classes of experts by load: the few hot ones, the warm ones, the many cold ones (TriMoE, arXiv 2603.01058)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassShares:
    """Shares of the choices of one step that fall on the coldest, the middle and the hottest experts."""

    cold_experts: float
    hot_experts: float
    cold: float
    warm: float
    hot: float


def class_shares(loads: NDArray[np.int64], cold_experts: float = 0.71, hot_experts: float = 0.05) -> ClassShares:
    """Of `loads` [cells, experts], each cell's experts ranked by its own loads; means over cells."""
    ranked = np.sort(loads, axis=1)
    experts = ranked.shape[1]
    cold, hot = round(cold_experts * experts), max(1, round(hot_experts * experts))
    total = ranked.sum(axis=1)
    total = np.maximum(total, 1)
    shares = (
        float((ranked[:, :cold].sum(axis=1) / total).mean()),
        float((ranked[:, cold : experts - hot].sum(axis=1) / total).mean()),
        float((ranked[:, experts - hot :].sum(axis=1) / total).mean()),
    )
    return ClassShares(cold / experts, hot / experts, *shares)
