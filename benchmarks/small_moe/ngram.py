"""An interpolated 4-gram model of bytes: what a model of the same tokens has to beat.

    p(c | h) = (count(h c) + kinds(h) p(c | shorter h)) / (count(h .) + kinds(h))

with `kinds` the different bytes seen after h, from 1/256 up to histories of three bytes (Witten and Bell, "The
zero-frequency problem", IEEE Trans. IT 37(4), 1991, method C).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

ORDER = 4
"""Bytes of the longest context and the one that follows."""


class ByteGrams:
    """Counted over one text."""

    def __init__(self, text: NDArray[np.uint8], order: int = ORDER) -> None:
        """`text` [bytes]; contexts have up to `order` - 1 bytes."""
        self._order = order
        self._grams = []
        for length in range(1, order + 1):
            grams, counts = np.unique(_codes(text, length), return_counts=True)
            starts = np.flatnonzero(np.diff(grams >> np.uint64(8), prepend=np.uint64(2**63)))
            contexts = grams[starts] >> np.uint64(8)
            followed = np.add.reduceat(counts, starts)
            kinds = np.diff(np.append(starts, len(grams)))
            self._grams.append((grams, counts, contexts, followed, kinds))

    def bits(self, text: NDArray[np.uint8]) -> NDArray[np.float64]:
        """[len(text)] -log2 p of each byte after the bytes before it (fewer at the beginning)."""
        chance = np.full(len(text), 1 / 256)
        for length, (grams, counts, contexts, followed, kinds) in enumerate(self._grams, 1):
            asked = _codes(text, length)
            whole = _found(grams, counts, asked)
            total = _found(contexts, followed, asked >> np.uint64(8))
            new = _found(contexts, kinds, asked >> np.uint64(8))
            seen = total > 0
            at = np.flatnonzero(seen) + length - 1
            chance[at] = (whole[seen] + new[seen] * chance[at]) / (total[seen] + new[seen])
        return -np.log(chance) / math.log(2)


def _codes(text: NDArray[np.uint8], length: int) -> NDArray[np.uint64]:
    """[len(text) - length + 1] the windows of `length` bytes as numbers, the last byte lowest."""
    codes = np.zeros(len(text) - length + 1, dtype=np.uint64)
    for place in range(length):
        codes = (codes << np.uint64(8)) | text[place : len(text) - length + 1 + place]
    return codes


def _found(keys: NDArray[np.uint64], values: NDArray[np.int64], asked: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The value of each key asked for, 0 where there is none."""
    at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[at] == asked, values[at], 0)
