"""What one access alone gets from its unit's window and from the channels of its memory.

Two ask: what an event costs alone (`moe_cosim.hw_models.alone`), which calls these functions as they
are, and the embedded engine, which compiles them. So they know numbers only. Rates are bytes/ps.
"""

from __future__ import annotations

import math
from typing import Final

PS_PER_S: Final = 1e12


def channel_cap(
    share: float, peak_bytes_per_s: float, channels: int, interleave_bytes: int, offset_bytes: int, size_bytes: int
) -> float:
    """Rate that the channels allow which an access of `size_bytes`, `offset_bytes` from its memory's start, touches.

    `share` of the peak is what its pattern reaches. Infinite where it touches all channels, which then
    share as the memory does.
    """
    last = offset_bytes + max(size_bytes, 1) - 1
    blocks = last // interleave_bytes - offset_bytes // interleave_bytes + 1
    return share * peak_bytes_per_s / PS_PER_S * (blocks / channels) if blocks < channels else math.inf


def line_time_ps(
    share: float, peak_bytes_per_s: float, channels: int, interleave_bytes: int, size_bytes: int, line_bytes: int
) -> float:
    """Time of one request on its channel; an access shorter than a line is one request."""
    line = min(min(line_bytes, size_bytes), interleave_bytes)
    return line / (share * (peak_bytes_per_s / channels / PS_PER_S))


def window_cap(window_bytes: float, size_bytes: float, event_bytes: float, line_bytes: float, turn_ps: float) -> float:
    """Rate that the unit's window allows an access of `size_bytes` when it turns over once in `turn_ps`.

    The accesses of an event (`event_bytes` in all) share the window in proportion to their bytes, so
    that they end together; each has a request at the least. Infinite where a turn takes no time, 0
    for a unit without a window.
    """
    if turn_ps <= 0:
        return math.inf
    own = max(window_bytes * (size_bytes / event_bytes), min(line_bytes, size_bytes))
    return own / turn_ps if window_bytes > 0 else 0.0
