"""The time of a whole MoE layer as one fused kernel, as kernels are measured."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.hw_models.units.base import UnitModel

DISTRIBUTIONS: Final = ("balanced", "uniform")


def kernel_time_ps(
    model: UnitModel,
    tokens: int,
    top_k: int,
    experts: int,
    shape: ExpertShape,
    weights: WeightFormat,
    distribution: str = "balanced",
) -> int:
    """ps from the start of a fused MoE kernel over all `experts` to its end, alone, by the unit's model.

    `distribution` deals the tokens' choices over experts as evenly as they go: over all of them (``balanced``), or
    over as many as tokens that choose at random reach (``uniform``, the expected number).
    """
    loads = dealt(tokens * top_k, _reached(tokens, top_k, experts) if distribution == "uniform" else experts)
    kernel, which = np.zeros(len(loads), np.int64), np.zeros(len(loads), np.int64)
    return model.expert_launch_ps + int(model.experts_ps(loads, kernel, shape, (weights,), which).sum())


def dealt(pairs: int, experts: int) -> NDArray[np.int64]:
    """[experts] choices of each, which differ by one at most."""
    each, more = divmod(pairs, experts)
    return each + (np.arange(experts) < more).astype(np.int64)


def _reached(tokens: int, top_k: int, experts: int) -> int:
    """The expected number of experts that somebody chooses, at least one token's."""
    return max(round(experts * (1.0 - (1.0 - top_k / experts) ** tokens)), min(top_k, experts))
