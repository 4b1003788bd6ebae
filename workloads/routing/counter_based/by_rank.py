"""Tokens that draw different ranks by weight, one after the other (Plackett-Luce), and take who holds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled, compiled_part
from moe_cosim.workloads.routing.counter_based.tiles import hashed


def alias_table(weights: NDArray[np.float64]) -> tuple[NDArray[np.uint64], NDArray[np.uint16]]:
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
    return np.array(threshold, np.uint64), np.array(alias, np.uint16)


@compiled
def draw_by_rank(
    order: NDArray[np.uint16],
    threshold: NDArray[np.uint64],
    alias: NDArray[np.uint16],
    key: np.uint64,
    first_step: int,
    first_token: int,
    seen: NDArray[np.int64],
    chosen: NDArray[np.uint16],
) -> None:
    """Writes chosen [steps, tokens, layers, k], which begins at that step and token of the draw.

    order [steps, layers, experts]: who holds each rank. A rank drawn twice by a token is drawn anew. seen [experts]:
    0, scratch. Tokens go in blocks, so that what is written lies in the cache.
    """
    steps, tokens, layers, k = chosen.shape
    columns = np.uint64(len(alias))
    low = np.uint64(0xFFFFFFFF)
    stamp = 0
    for step in range(steps):
        for first in range(0, tokens, 32):
            for layer in range(layers):
                key_of_cell = hashed(key, (first_step + step) * layers + layer)
                held = order[step, layer]
                for token in range(first, min(first + 32, tokens)):
                    stamp += 1
                    row = chosen[step, token, layer]
                    j = drawn = 0
                    while j < k:
                        word = hashed(key_of_cell, ((first_token + token) << 20) + drawn)
                        drawn += 1
                        rank = _rank(word & low, columns, threshold, alias)
                        row[j] = held[rank]
                        j += seen[rank] != stamp
                        seen[rank] = stamp
                        if j < k:
                            rank = _rank(word >> np.uint64(32), columns, threshold, alias)
                            row[j] = held[rank]
                            j += seen[rank] != stamp
                            seen[rank] = stamp


@compiled_part
def _rank(number: np.uint64, columns: np.uint64, threshold: NDArray[np.uint64], alias: NDArray[np.uint16]) -> int:
    """Of 32 random bits: a column, and the rest against its threshold. Both answers are read, so that no branch is."""
    place = number * columns
    column = np.int64(place >> np.uint64(32))
    other = np.int64(alias[column])
    return int(other + (column - other) * np.int64((place & np.uint64(0xFFFFFFFF)) < threshold[column]))
