"""Tokens that draw different ranks by weight, one after the other (Plackett-Luce), and take who holds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled
from moe_cosim.workloads.routing.counter_based.tiles import hashed


def alias_table(weights: NDArray[np.float64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """[n] thresholds of 2**32 and [n] aliases (Walker 1977): column c, each as likely, stands for c with
    chance threshold[c] / 2**32 and else for alias[c].

    Weights (sum 1) are rounded to multiples of 2**-32 first, then all is whole numbers.
    """
    n = len(weights)
    shares = [round(float(weight) * 2**32) * n for weight in weights]
    shares[int(np.argmax(weights))] += n * 2**32 - sum(shares)
    threshold, alias = [2**32] * n, list(range(n))
    small = [c for c in range(n) if shares[c] < 2**32]
    large = [c for c in range(n) if shares[c] >= 2**32]
    while small:
        low, high = small.pop(), large[-1]
        threshold[low], alias[low] = shares[low], high
        shares[high] -= 2**32 - shares[low]
        if shares[high] < 2**32:
            small.append(large.pop())
    return np.array(threshold, np.uint64), np.array(alias, np.int64)


@compiled
def draw_by_rank(
    order: NDArray[np.uint16],
    threshold: NDArray[np.uint64],
    alias: NDArray[np.int64],
    key: np.uint64,
    seen: NDArray[np.int64],
    chosen: NDArray[np.uint16],
) -> None:
    """Writes chosen [steps, tokens, layers, k]. order [steps, layers, experts]: who holds each rank.

    seen [experts]: 0, scratch. A rank drawn twice by a token is drawn anew. Tokens go in blocks, so
    that what is written lies in the cache.
    """
    steps, tokens, layers, k = chosen.shape
    columns = np.uint64(len(alias))
    half, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    stamp = 0
    for step in range(steps):
        for first in range(0, tokens, 32):
            for layer in range(layers):
                key_of_cell = hashed(key, step * layers + layer)
                for token in range(first, min(first + 32, tokens)):
                    key_of_token = hashed(key_of_cell, token)
                    stamp += 1
                    j = drawn = 0
                    word = key_of_token
                    while j < k:
                        word = word >> half if drawn & 1 else hashed(key_of_token, drawn)
                        drawn += 1
                        place = (word & low) * columns
                        column = np.int64(place >> half)
                        rank = column if (place & low) < threshold[column] else alias[column]
                        if seen[rank] != stamp:
                            seen[rank] = stamp
                            chosen[step, token, layer, j] = order[step, layer, rank]
                            j += 1
