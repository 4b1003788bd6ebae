"""Which past request an ongoing one is most like, by how often each layer's experts were chosen.

Source: Xue et al., "MoE-Infinity" (arXiv 2401.14361) and its code (EfficientMoE/MoE-Infinity, commit d617801,
memory/expert_tracer.py): cosine of each layer's counts, averaged over the layers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

F32 = NDArray[np.float32]


class ActivationMatching:
    """Counts of one request, layer by layer as they come, beside a collection [requests, layers, experts]."""

    def __init__(self, collection: F32) -> None:
        requests, layers, experts = collection.shape
        total = collection.sum(axis=2, keepdims=True)
        length = np.linalg.norm(collection, axis=2, keepdims=True)
        self._shares = np.divide(collection, total, out=np.zeros_like(collection), where=total > 0)
        self._directions = np.divide(collection, length, out=np.zeros_like(collection), where=length > 0)
        self._cosines = np.zeros((requests, layers), np.float32)
        self.counts = np.zeros((layers, experts), np.float32)
        """The request's own."""

    def see(self, layer: int, experts: ArrayLike, tokens: ArrayLike) -> None:
        """The layer chose these `experts` for so many `tokens` each."""
        row = self.counts[layer]
        row[experts] += tokens
        self._cosines[:, layer] = self._directions[:, layer] @ (row / np.linalg.norm(row))

    def nearest(self) -> int:
        """The past request of the least distance, of equals the first; -1 where there is none."""
        return int(np.argmax(self._cosines.sum(axis=1))) if len(self._cosines) else -1

    def shares(self) -> F32:
        """[layers, experts] of the nearest past request: how its tokens spread over each layer's experts. The
        request's own where there is no past one."""
        if not len(self._shares):
            total = self.counts.sum(axis=1, keepdims=True)
            own: F32 = np.divide(self.counts, total, out=np.zeros_like(self.counts), where=total > 0)
            return own
        return np.asarray(self._shares[self.nearest()])
