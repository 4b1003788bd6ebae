"""How recently and how often each expert was asked for, and how long it was until it was asked for again.

Source: FlashMoE (arXiv 2601.17063): recency is 1/r, r = 1 for an expert of the present token, and frequency f over the
layer's largest. Distances are cut off at a horizon and scaled to 0 ... 1, as an implementation of its predictor does
(malmong/CECAR, commit 8e46ad2, Src/Train/ML_Train.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.demand import Demand

F64 = NDArray[np.float64]
HORIZON: Final = 0.75
"""Of the experts of a layer, in tokens: 48 of 64 and 98 of 128 at the commit above; whoever is asked for later, or
never, is equally far."""


class UseHistory:
    """Of one run, layer by layer as it comes."""

    def __init__(self, layers: int, experts: int) -> None:
        self._last = np.full((layers, experts), -np.inf)
        self._uses = np.zeros((layers, experts))

    def see(self, layer: int, step: int, experts: Sequence[int], tokens: Sequence[int]) -> None:
        """The layer asked for these `experts`, each for so many `tokens`, in this step."""
        chosen = np.array(experts)
        self._last[layer, chosen] = step
        self._uses[layer, chosen] += np.array(tokens)

    def features(self, layer: int, step: int) -> F64:
        """[2 x experts] 1/r of all, then f over the largest."""
        uses = self._uses[layer]
        return np.concatenate([1 / (step - self._last[layer] + 1), uses / max(uses.max(), 1)])

    def uses(self, layer: int) -> F64:
        """[experts] tokens that asked for each since the run began."""
        found: F64 = self._uses[layer]
        return found


def lessons(run: Demand) -> tuple[F64, F64]:
    """What a whole run teaches: features [steps, layers, 2 x experts] as `UseHistory.features` has them behind each
    step, and [steps, layers, experts] how far off each expert's next use is then, 0 (the next step) to 1 (the horizon).
    """
    uses = _uses(run)
    steps = np.arange(run.steps)[:, None, None]
    asked = uses > 0
    last = np.maximum.accumulate(np.where(asked, steps, -np.inf), axis=0)
    total = np.cumsum(uses, axis=0)
    features = np.concatenate([1 / (steps - last + 1), total / np.maximum(total.max(axis=2, keepdims=True), 1)], axis=2)
    coming = np.minimum.accumulate(np.where(asked, steps, np.inf)[::-1], axis=0)[::-1]
    following = np.concatenate([coming[1:], np.full_like(coming[:1], np.inf)])
    horizon = max(round(HORIZON * run.num_experts), 2)
    return features, (np.clip(following - steps, 1, horizon) - 1) / (horizon - 1)


def _uses(run: Demand) -> F64:
    """[steps, layers, experts] tokens."""
    rows = run.rows(0, run.steps)
    found = np.zeros((run.steps, run.layers, run.num_experts))
    found[rows.step, rows.layer, rows.expert] = rows.tokens
    return found
