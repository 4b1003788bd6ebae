"""The heap of what comes next: each slot knows its place, so that a time can change."""

from __future__ import annotations

from typing import Any

import numpy as np

from moe_cosim.compiled import compiled_part
from moe_cosim.sim.engines.embedded.state import KernelState


@compiled_part
def settle(s: KernelState, place: int, key: int, at: int) -> None:
    """The slot gets this key; `place` in the heap is its own, or free."""
    size = s.counters[0].waiting
    while place > 0:
        above = (place - 1) // 2
        if s.heap[above].key <= key:
            break
        s.heap[place].key = s.heap[above].key
        s.heap[place].slot = s.heap[above].slot
        s.slot[s.heap[above].slot].place = place
        place = above
    while 2 * place + 1 < size:
        below = 2 * place + 1
        if below + 1 < size and s.heap[below + 1].key < s.heap[below].key:
            below += 1
        if s.heap[below].key >= key:
            break
        s.heap[place].key = s.heap[below].key
        s.heap[place].slot = s.heap[below].slot
        s.slot[s.heap[below].slot].place = place
        place = below
    s.heap[place].key = key
    s.heap[place].slot = at
    s.slot[at].place = place


@compiled_part
def pop(s: KernelState) -> int:
    """The slot whose time comes first."""
    first = s.heap[0].slot
    s.counters[0].waiting -= 1
    size = s.counters[0].waiting
    if size > 0:
        top: Any = np.int64(0)  # declared, so that `settle` is compiled once
        settle(s, top, s.heap[size].key, s.heap[size].slot)
    return int(first)
