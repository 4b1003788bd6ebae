"""Walks over runs and moves in their order that look back at what was before, compiled."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled

I64 = NDArray[np.int64]
Flags = NDArray[np.bool_]

_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: neighbouring addresses end up far apart (Knuth, TAOCP 3, section 6.4)."""


@compiled
def replace_last(target: I64, move: I64, lane: I64, table: I64, earlier: I64) -> int:
    """Of each target the last move and its lane become this one; `earlier` becomes the one before if that was on
    another lane, else -1. Returns how many targets are new.

    `table` [target, move, lane] is a hash table of a power of two columns that never fills up, -1 where free.
    """
    new = 0
    last = table.shape[1] - 1
    for i in range(len(target)):
        at = np.int64((np.uint64(target[i]) * _SPREAD) >> np.uint64(32)) & last
        while table[0, at] >= 0 and table[0, at] != target[i]:
            at = (at + 1) & last
        earlier[i] = -1
        if table[0, at] < 0:
            table[0, at] = target[i]
            new += 1
        elif table[2, at] != lane[i]:
            earlier[i] = table[1, at]
        table[1, at] = move[i]
        table[2, at] = lane[i]
    return new


@compiled
def first_uses(move: I64, unit: I64, used_by: NDArray[np.uint64], first: Flags) -> None:
    """`first`: whether what the move brought (-1: no move) is new to the unit. `used_by` [moves, words] has a bit for
    every unit that it is not new to."""
    for i in range(len(move)):
        first[i] = False
        if move[i] >= 0:
            word = unit[i] >> 6
            bit = np.uint64(1) << np.uint64(unit[i] & 63)
            first[i] = used_by[move[i], word] & bit == 0
            used_by[move[i], word] |= bit


@compiled
def ready_first(begins: Flags, waits: Flags, place: I64) -> None:
    """`place` [n] of rows where each segment, that one of them `begins` [n], has those that do not wait before the
    others.
    """
    begin = 0
    while begin < len(begins):
        ready = 0
        end = begin
        while end < len(begins) and (end == begin or not begins[end]):
            ready += not waits[end]
            end += 1
        waiting = begin + ready
        ready = begin
        for i in range(begin, end):
            if waits[i]:
                place[i] = waiting
                waiting += 1
            else:
                place[i] = ready
                ready += 1
        begin = end
