"""What ``moe-cosim accuracy`` found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from moe_cosim.sim.accuracy.arms import ARMS, Bits
from moe_cosim.sim.accuracy.decisions import FULL
from moe_cosim.sim.accuracy.intervals import MeanInterval, t_interval
from moe_cosim.sim.accuracy.scores import Scores
from moe_cosim.version import VERSION


@dataclass(frozen=True)
class ArmResult:
    """One way to share places and bits; intervals are over prompts, 95 %."""

    arm: str
    says: str
    average_bits: float
    """Of the experts below 16."""
    perplexity: float
    """Of the answers."""
    loss: MeanInterval
    """Above the 16-bit model's, in nats per token."""
    divergence: MeanInterval
    """Kullback-Leibler, from the 16-bit model's chances, in nats per token."""
    agreement: MeanInterval
    """Share of tokens at which the likeliest next one is the 16-bit model's."""
    selector_gain: MeanInterval
    """Divergence of this arm less that of the selector on the same prompt."""


@dataclass(frozen=True)
class AccuracyResult:
    """All arms of one model and experiment."""

    model: str
    experiment: str
    method: str
    domains: list[str]
    prompts: int
    prompt_tokens: int
    answer_tokens: int
    losses: str
    """Where the allocator's losses come from."""
    full_perplexity: float
    arms: list[ArmResult]
    version: str = field(default=VERSION)

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)


def arm_results(full: Scores, scored: Mapping[str, tuple[Bits, Scores]]) -> list[ArmResult]:
    """Means and intervals of what was `scored`, the selector among it. The bits of an arm are [prompts, layers,
    experts].
    """
    selector = scored["selector"][1].divergence.astype(np.float64)
    return [
        ArmResult(
            arm,
            ARMS[arm],
            float(bits[bits < FULL].mean()),
            math.exp(float(scores.loss.mean())),
            t_interval((scores.loss - full.loss).astype(np.float64)),
            t_interval(scores.divergence.astype(np.float64)),
            t_interval(scores.agreement.astype(np.float64)),
            t_interval(scores.divergence - selector),
        )
        for arm, (bits, scores) in scored.items()
    ]
