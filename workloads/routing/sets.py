"""A token's experts as a set of bits, so that overlaps are a population count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CHUNK = 20_000


def expert_sets(experts: NDArray[np.uint16], num_experts: int) -> NDArray[np.uint64]:
    """[tokens, layers, words]: bit e % 64 of word e // 64 is set where expert e is chosen."""
    tokens, layers, k = experts.shape
    words = (num_experts + 63) // 64
    sets = np.zeros((tokens, layers, words), np.uint64)
    bits = np.left_shift(np.uint64(1), (experts % 64).astype(np.uint64))
    for word in range(words):
        here = experts // 64 == word
        for j in range(k):
            sets[:, :, word] |= np.where(here[:, :, j], bits[:, :, j], np.uint64(0))
    return sets


def overlap(sets: NDArray[np.uint64], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """[layers] mean number of experts tokens `first` and `second` (numbers) have in common; nan for no pair."""
    total = np.zeros(sets.shape[1], np.int64)
    for start in range(0, len(first), _CHUNK):
        both = sets[first[start : start + _CHUNK]] & sets[second[start : start + _CHUNK]]
        total += np.bitwise_count(both).astype(np.int64).sum(axis=(0, 2))
    return total / len(first) if len(first) else np.full(sets.shape[1], np.nan)
