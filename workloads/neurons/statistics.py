"""What activity looks like in numbers: the statistics that publications state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.neurons.latent import HOT_NEURONS

DISTANCES = (1, 10, 25)
"""Tokens apart: where the published curve begins, has fallen, and no longer falls (arXiv 2502.16963, III-B)."""


@dataclass(frozen=True)
class ActivityStatistics:
    """Of the tokens of one text."""

    density: float
    hot_share: float
    """Of the work, what the fifth of the neurons does that is busiest in other texts."""
    similarity: dict[int, float]
    """By distance: of the neurons that a token needs, the share that one so far behind it needs too."""
    layer_similarity: float
    """Of the neurons that are active in a layer, the share whose most alike in the layer before is active."""
    changed_hot: float
    """Of the busiest fifth in other texts, the share that is not among the busiest fifth in this one."""

    def as_dict(self) -> dict[str, object]:
        """As ``--json`` prints it."""
        return asdict(self)


def activity_statistics(
    active: NDArray[np.bool_], profile: NDArray[np.floating], correlated: NDArray[np.integer], weight: Sequence[int]
) -> ActivityStatistics:
    """Of `active` [tokens, layers, clusters].

    `profile` [layers, clusters] is how often each is active in other texts, `correlated` [layers, clusters] the one
    most alike in the layer before (-1: none), `weight` [clusters] the neurons of each."""
    size = np.asarray(weight, np.float64)
    per_layer = size.sum()
    work = active.sum(axis=0) * size  # [layers, clusters]
    hot = _busiest(profile, size)
    here = _busiest(active.mean(axis=0), size)
    after = np.arange(1, active.shape[1])
    before = active[:, after[:, None] - 1, correlated[1:]]
    return ActivityStatistics(
        density=float(work.sum() / (active.shape[0] * active.shape[1] * per_layer)),
        hot_share=float((work * hot).sum() / work.sum()),
        similarity={
            distance: float(((active[:-distance] & active[distance:]) * size).sum() / (active[:-distance] * size).sum())
            for distance in DISTANCES
            if distance < len(active)
        },
        layer_similarity=float(((active[:, 1:] & before) * size).sum() / (active[:, 1:] * size).sum()),
        changed_hot=1.0 - float((hot * here * size).sum() / (hot * size).sum()),
    )


def _busiest(frequency: NDArray[np.floating], size: NDArray[np.float64]) -> NDArray[np.float64]:
    """[layers, clusters] how much of each is among the busiest fifth of its layer's neurons."""
    order = np.argsort(-frequency, axis=1, kind="stable")
    sizes = size[order]
    left = HOT_NEURONS * size.sum() - (np.cumsum(sizes, axis=1) - sizes)
    share = np.clip(left / sizes, 0.0, 1.0)
    found: NDArray[np.float64] = np.empty_like(share)
    np.put_along_axis(found, order, share, axis=1)
    return found
