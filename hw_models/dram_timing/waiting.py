"""Requests that wait, by bank: the oldest of all, for the open row, and for another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled_part
from moe_cosim.hw_models.dram_timing.channel import State

Ints = NDArray[np.int64]


@compiled_part
def enter(s: State, request: int, which: int, at: int, row: Ints) -> None:
    """A request joins those that wait for its bank."""
    last = s.newest[which, at]
    s.before[request] = last
    s.after[request] = -1
    s.newest[which, at] = request
    if last >= 0:
        s.after[last] = request
    else:
        s.oldest[which, at] = request
    if s.row[at] == row[request]:
        if s.hit[which, at] < 0:
            s.hit[which, at] = request
    elif s.other[which, at] < 0:
        s.other[which, at] = request
    s.size[which] += 1


@compiled_part
def leave(s: State, request: int, which: int, at: int, row: Ints) -> None:
    """A request waits no more."""
    before, after = s.before[request], s.after[request]
    if before >= 0:
        s.after[before] = after
    else:
        s.oldest[which, at] = after
    if after >= 0:
        s.before[after] = before
    else:
        s.newest[which, at] = before
    if s.hit[which, at] == request:
        while after >= 0 and row[after] != row[request]:
            after = s.after[after]
        s.hit[which, at] = after
    s.size[which] -= 1


@compiled_part
def open_row(s: State, request: int, at: int, row: Ints) -> None:
    """The row of `request` is open, for it alone at first."""
    s.row[at] = row[request]
    s.holder[at] = request
    c = s.counters[0]
    s.opened[c.opened] = request
    c.opened += 1
    for which in range(2):
        hit, other = -1, -1
        waiting = s.oldest[which, at]
        while waiting >= 0 and (hit < 0 or other < 0):
            if row[waiting] == row[request]:
                if hit < 0:
                    hit = waiting
            elif other < 0:
                other = waiting
            waiting = s.after[waiting]
        s.hit[which, at] = hit
        s.other[which, at] = other
