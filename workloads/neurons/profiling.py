"""What a system learns of a model's neurons offline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.neurons.activity import Clusters, Profile

CORRELATED = 2
"""Clusters of the layer before that are kept for each (Hermes, arXiv 2502.16963, IV-C)."""


def profiled(active: NDArray[np.bool_], clusters: Clusters) -> Profile:
    """From `active` [tokens, layers, clusters] of sampled tokens. Most correlated are those of the same block that are
    active together for the largest share of the tokens for which either is."""
    _, layers, count = active.shape
    correlated = np.full((layers, count, CORRELATED), -1, np.int32)
    for block in clusters.slices:
        here = active[:, :, block].astype(np.float32)
        often = here.sum(axis=0)
        kept = min(CORRELATED, block.stop - block.start)
        for layer in range(1, layers):
            together = here[:, layer].T @ here[:, layer - 1]
            either = often[layer][:, None] + often[layer - 1] - together
            alike = together / np.maximum(either, 1.0)
            best = np.argsort(-alike, axis=1, kind="stable")[:, :kept]
            correlated[layer, block, :kept] = block.start + best
    return Profile(active.mean(axis=0, dtype=np.float32), correlated)
