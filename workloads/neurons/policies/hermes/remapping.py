"""Every window the busiest unit hands its most active cold neurons to the idlest, and so on in pairs (algorithm 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW = 5
"""Tokens."""

I64 = NDArray[np.int64]


def remapped(beside: I64, activity: I64, units: int) -> I64:
    """[clusters] the unit beside which each lies from now on. `activity` [clusters]: neurons times how often each was
    active beside its unit in the window, 0 of those on the GPU.

    Of a pair, the most active are handed over as long as the giver keeps no less than the taker has then. (The printed
    condition is the other way round and would never begin.)
    """
    load = np.bincount(beside, weights=activity, minlength=units)
    order = np.argsort(-load, kind="stable")
    found = beside.copy()
    for rank in range(units // 2):
        giver, taker = order[rank], order[units - 1 - rank]
        mine = np.flatnonzero((beside == giver) & (activity > 0))
        mine = mine[np.argsort(-activity[mine], kind="stable")]
        after = 2 * np.cumsum(activity[mine])
        found[mine[: np.searchsorted(after, load[giver] - load[taker], side="right")]] = taker
    return found
