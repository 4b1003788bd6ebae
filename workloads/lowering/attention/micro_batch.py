"""The GPU's part of a micro-batch whose keys and values lie at the host: what begins it, and what ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from moe_cosim.workloads.lowering.passes import Pass
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Place

# order among the events of a micro-batch's attention
_AHEAD: Final = 4
"""What the first one begins with; the next one's follows, before..."""
LAUNCH, PROJECT, ASK = range(3)
RETURNED, ARRIVED, ATTEND, FREE = range(8, 12)
"""...what ends it."""


@dataclass(frozen=True)
class Products:
    """Projections in two: all but the output's, which go ahead of the scores, and that one."""

    ahead: float
    """Share of the weights."""
    ahead_ps: int
    output_ps: int

    @classmethod
    def of(cls, scene: Scene, tokens: int) -> Self:
        """Of so many tokens on the GPU."""
        inner, columns = np.array(scene.model.attention.projections(scene.model.hidden)).T
        times = scene.gpu_model.dense_ps(tokens, inner, columns, scene.formats.attention)
        weights = inner * columns
        return cls(float(weights[:-1].sum() / weights.sum()), int(times[:-1].sum()), int(times[-1]))


def begin(scene: Scene, passes: Sequence[Pass], number: int, order: int) -> Place:
    """Of what begins a micro-batch: before the attention of the one before ends, where the GPU goes ahead."""
    if number and scene.layout.batching.cpu_ahead:
        return passes[number - 1].attention_place(_AHEAD + order)
    return passes[number].attention_place(order)
