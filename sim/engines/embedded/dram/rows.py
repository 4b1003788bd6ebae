"""Which rows of a memory's DRAM are open, and what a read pays for that.

A memory's latency is that of a read whose bank is closed: it opens the row first (tRCD). One that finds its row open
saves that, one that finds another row open closes it first (tRP). Each set of banks (`RefreshClock`) keeps the row that
was read or written there last, on the channels that were, until it is refreshed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled_part
from moe_cosim.sim.engines.embedded.dram.refresh_tables import ALL_BANKS


@compiled_part
def lines_ps(clock: Any, window: float, turn_ps: float) -> float:
    """What rows add in the mean to `turn_ps` of the lines of a sequential read with a window of so many bytes.

    A window's lines come together, and wait together where one of them opens rows: all that are in the set at whose
    beginning they are. Before the stream is back in a set another row of it was read there, unless it was refreshed.
    """
    opening = min(max(window, float(clock.sweep_bytes)) / clock.set_bytes, 1.0)
    around_ps = clock.sets * clock.set_bytes / max(window, 1.0) * turn_ps
    stays = max(1.0 - around_ps / clock.row_life_ps, 0.0)
    return float(opening * (clock.open_ps + stays * clock.close_ps) - clock.open_ps)


@compiled_part
def first_line_ps(clock: Any, rows: NDArray[np.void], offset: int, size: int, time_ps: float) -> float:
    """What rows add to the latency of a read of `size` bytes at `time_ps`, `offset` bytes from the memory's start.

    `rows` [S + 1 of OPEN_ROW] are its sets', and behind them the last set of the last access that was in all.
    """
    number = offset // clock.set_bytes
    turn = number // clock.sets
    last, swept = rows[number - turn * clock.sets], rows[len(rows) - 1]
    if swept.row >= 0 and swept.used_ps >= last.used_ps:
        if _is_refreshed(clock, swept.used_ps, time_ps):
            return 0.0
        same = 0 <= swept.row - number < clock.sets
        return -float(clock.open_ps) if same else float(clock.close_ps)
    if last.row < 0 or _is_refreshed(clock, last.used_ps, time_ps):
        return 0.0
    if last.row != turn:
        return float(clock.close_ps)
    first, blocks = _blocks(clock, offset, size)
    found = blocks <= last.blocks and (first - last.first_block) % clock.channels + blocks <= last.blocks
    return -float(clock.open_ps) if found or last.blocks >= clock.channels else 0.0


@compiled_part
def leave_open(clock: Any, rows: NDArray[np.void], offset: int, size: int, now_ps: int, until_ps: float) -> None:
    """Rows of `size` bytes from `offset`, of which the last is used at `until_ps`, by an access that begins now.

    Who begins later has used a set last; of those that begin at one time who needs it longer. `rows` [sets] of
    `OPEN_ROW`, of one memory.
    """
    first = last = offset // clock.set_bytes
    if offset + size > (first + 1) * clock.set_bytes:
        last = (offset + size - 1) // clock.set_bytes
    if last - first >= clock.sets:
        swept = rows[len(rows) - 1]
        if swept.begun_ps != now_ps or (until_ps, last) >= (swept.used_ps, swept.row):
            swept.row = last
            swept.used_ps = until_ps
            swept.begun_ps = now_ps
        return
    first_block, blocks = 0, clock.channels
    if size < clock.channels * clock.interleave_bytes:  # else it is on all channels
        first_block, blocks = _blocks(clock, offset, size)
    turn = first // clock.sets
    place = first - turn * clock.sets
    for _ in range(first, last + 1):
        row = rows[place]
        if row.begun_ps != now_ps or (until_ps, turn, first_block, blocks) >= (
            row.used_ps,
            row.row,
            row.first_block,
            row.blocks,
        ):
            row.row = turn
            row.used_ps = until_ps
            row.first_block = first_block
            row.blocks = blocks
            row.begun_ps = now_ps
        place += 1
        if place == clock.sets:
            place, turn = 0, turn + 1


@compiled_part
def _blocks(clock: Any, offset: int, size: int) -> tuple[int, int]:
    """The first block of the interleaving and how many there are, one to a channel."""
    first = offset // clock.interleave_bytes
    return first, (offset + size - 1) // clock.interleave_bytes - first + 1


@compiled_part
def _is_refreshed(clock: Any, since_ps: float, time_ps: float) -> bool:
    """Between the two, as far as is known: of single banks, when all have been."""
    if clock.kind == ALL_BANKS:
        return bool(np.floor(time_ps / clock.every_ps) > np.floor(since_ps / clock.every_ps))
    return bool(time_ps - since_ps >= clock.row_life_ps)
