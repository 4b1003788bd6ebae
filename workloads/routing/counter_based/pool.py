"""The pool of normals, and the keys that counters are hashed with: the same on every machine.

A hash of (seed, purpose, sequence, token, ...) says where in the pool a run of normals is read. That is
random access: any token of any sequence can be had without those before it, and a run of 128 normals
costs one hash and 128 loads that the compiler turns into vectors, where drawing them costs a
generator's step and a table look-up each. Pool and hash are fixed, so version and seed say everything.
"""

from __future__ import annotations

from functools import lru_cache
from math import fsum, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

POOL: Final = 1 << 14
"""Normals in the pool (64 KiB, so that the second-level cache holds it): offsets are 14 bits."""
LONGEST_RUN: Final = 128
"""So many are read at once; the pool's beginning is repeated behind its end."""
_QUANTILES: Final = 1 << 12
_ROUNDED_TO: Final = 2.0**-16
"""Far coarser than what math libraries disagree by, far finer than what routing could show."""

_GOLDEN: Final = 0x9E3779B97F4A7C15
_WORD: Final = (1 << 64) - 1


@lru_cache(maxsize=1)
def normal_pool() -> F32:
    """[POOL + LONGEST_RUN] equally likely quantiles of a normal, each four times, shuffled; mean 0, variance 1.

    Read-only. A pool of quantiles is balanced where a sample of that size would not be.
    """
    normal = NormalDist()
    upper = [normal.inv_cdf((q + 0.5) / _QUANTILES) for q in range(_QUANTILES // 2, _QUANTILES)]
    deviation = sqrt(fsum(value * value for value in upper) / len(upper))
    rounded = np.rint(np.array(upper) / deviation / _ROUNDED_TO) * _ROUNDED_TO
    values = np.concatenate([-rounded[::-1], rounded]).astype(np.float32)
    shuffled = np.tile(values, POOL // _QUANTILES)[np.argsort(_mixed_array(np.arange(POOL, dtype=np.uint64)))]
    pool = np.concatenate([shuffled, shuffled[:LONGEST_RUN]])
    pool.flags.writeable = False
    return pool


def key(*words: int) -> int:
    """A 64-bit key for these numbers (a seed, what for)."""
    found = 0
    for word in words:
        found = mixed((found + _GOLDEN + word) & _WORD)
    return found


def mixed(word: int) -> int:
    """The finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014); the kernels have it too."""
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    return word ^ (word >> 31)


def _mixed_array(counters: NDArray[np.uint64]) -> NDArray[np.uint64]:
    words = (counters + np.uint64(1)) * np.uint64(_GOLDEN)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
