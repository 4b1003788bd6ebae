"""When the memories of a machine are refreshed, as the compiled passes read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.components import Memory
from moe_cosim.hw_models.dram.refresh import RefreshClock, refresh_clock

UNKNOWN, NEVER, ALL_BANKS, ONE_BANK = range(4)
"""What a refresh stops: nothing is known of the memory; none comes; its channels; one bank of each scope."""
_KINDS: Final = {"off": NEVER, "all-bank": ALL_BANKS, "per-bank": ONE_BANK}

REFRESH: Final = np.dtype(
    [
        ("kind", np.int64),
        ("every_ps", np.float64),
        ("stall_ps", np.float64),
        ("read_ps", np.float64),
        ("longest_ps", np.float64),
        ("open_ps", np.float64),
        ("close_ps", np.float64),
        ("row_life_ps", np.float64),
        ("queue_bytes", np.int64),
        ("write_queue_bytes", np.int64),
        ("standing_writes_bytes", np.int64),
        ("channels", np.int64),
        ("interleave_bytes", np.int64),
        ("set_bytes", np.int64),
        ("sets", np.int64),
        ("sweep_bytes", np.int64),
        ("reads", np.int64),
        ("turns", np.int64),
        ("bank_share", np.float64),
        ("wait_ps", np.float64),
        ("bank_bytes", np.int64),
    ]
)
"""As in `RefreshClock`."""
_NAMES: Final = tuple(REFRESH.names or ())


def refresh_tables(memories: Sequence[Memory]) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """[M] of REFRESH, and [M, T] which set each refresh of a single bank hits, in turn."""
    clocks = [refresh_clock(memory) for memory in memories]
    rows = np.array([_row(clock) for clock in clocks], dtype=REFRESH)
    turn = np.zeros((len(memories), max([len(clock.turn) for clock in clocks if clock] or [0])), dtype=np.int64)
    for index, clock in enumerate(clocks):
        if clock is not None:
            turn[index, : len(clock.turn)] = clock.turn
    return rows, turn


def _row(clock: RefreshClock | None) -> tuple[float, ...]:
    """Of REFRESH; zeros where nothing is known. (Filled field by field, the rows took as long as all other tables.)"""
    if clock is None:
        return (0,) * len(_NAMES)
    other = {"kind": _KINDS[clock.refresh], "turns": len(clock.turn)}
    return tuple(other[name] if name in other else getattr(clock, name) for name in _NAMES)
