"""What one access alone gets from its unit's window and from the channels of its memory.

Two ask: what an event costs alone (`moe_cosim.hw_models.alone`), one access at a time, and the
embedded engine, which lowers all accesses of a program at once. So arguments are numbers or arrays
[accesses], and results arrays of that shape. Rates are bytes/ps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.components import Memory

F64 = NDArray[np.float64]
Integers = int | NDArray[np.int64]
Numbers = float | F64 | NDArray[np.int64]

PS_PER_S: Final = 1e12


class MemorySide(NamedTuple):
    """What the memory does to an access."""

    share: F64
    """Of the peak, that its pattern reaches."""
    cap: F64
    """Rate that the channels it touches allow. Infinite where it touches all, which then share as the memory does."""
    line_ps: F64
    """Time of one request on its channel; an access shorter than a line is one request."""


def memory_side(
    memories: Sequence[Memory],
    index: Integers,
    share: F64,
    offset_bytes: Integers,
    size_bytes: Integers,
    line_bytes: int,
    inside: bool | NDArray[np.bool_] = False,
) -> MemorySide:
    """Of accesses to `memories[index]` at `offset_bytes` from its start that reach `share` of its peak.

    For those of a unit `inside`, the peak is the internal one.
    """
    channels = np.array([memory.channels for memory in memories], dtype=np.int64)[index]
    interleave = np.array([memory.interleave_bytes for memory in memories], dtype=np.int64)[index]
    port = np.array([memory.peak_bytes_per_s for memory in memories], dtype=np.float64)[index]
    peak = np.where(inside, np.array([memory.array_bytes_per_s for memory in memories])[index], port)
    last = offset_bytes + np.maximum(size_bytes, 1) - 1
    blocks = last // interleave - offset_bytes // interleave + 1
    cap = np.where(blocks < channels, share * peak / PS_PER_S * (blocks / channels), np.inf)
    line = np.minimum(np.minimum(line_bytes, size_bytes), interleave)
    return MemorySide(share, cap, line / (share * (peak / channels / PS_PER_S)))


def window_cap(
    window_bytes: Numbers, size_bytes: Numbers, event_bytes: Numbers, line_bytes: int, turn_ps: Numbers
) -> F64:
    """Rate that the unit's window allows an access of `size_bytes` when it turns over once in `turn_ps`.

    The accesses of an event (`event_bytes` in all) share the window in proportion to their bytes, so
    that they end together; each has a request at the least. Infinite where a turn takes no time, 0
    for a unit without a window.
    """
    size, turn = np.asarray(size_bytes, dtype=np.float64), np.asarray(turn_ps, dtype=np.float64)
    own = np.maximum(window_bytes * (size / event_bytes), np.minimum(line_bytes, size))
    with np.errstate(divide="ignore"):
        return np.where(turn > 0, np.where(np.asarray(window_bytes) > 0, own, 0.0) / turn, np.inf)
