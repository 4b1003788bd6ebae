"""How long two sequential accesses are in the same banks of a memory, in rows of their own.

Consecutive bytes lie in sets of banks that come in a circle (`RefreshClock`). Two accesses of one event end together,
so each is as fast as it is long, and one comes nearer to the other, or stays where it is from it.
"""

from __future__ import annotations

import numpy as np

from moe_cosim.compiled import compiled_part


@compiled_part
def time_together(set_bytes: float, sets: int, apart: int, apart_at_end: int) -> float:
    """0 to 1, of the time of two accesses that begin and end so many bytes apart."""
    if abs(apart) < set_bytes:  # in the same rows
        return 0.0
    if sets < 2:
        return 1.0
    moved = float(apart_at_end - apart)
    if abs(moved) < 1.0:
        around = sets * set_bytes
        place = apart - np.floor(apart / around) * around
        return float(max(1.0 - min(place, around - place) / set_bytes, 0.0))
    return float((_met(set_bytes, sets, apart_at_end) - _met(set_bytes, sets, apart)) / moved)


@compiled_part
def _met(set_bytes: float, sets: int, apart: int) -> float:
    """The integral from 0 of how much of a set's length two places share that are so far apart."""
    around = sets * set_bytes
    turns = np.floor(apart / around)
    place = apart - turns * around
    met = turns * set_bytes
    if place < set_bytes:
        return float(met + place - place * place / (2.0 * set_bytes))
    left = max(place - (around - set_bytes), 0.0)
    return float(met + set_bytes / 2.0 + left * left / (2.0 * set_bytes))
