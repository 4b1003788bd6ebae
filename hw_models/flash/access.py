"""One run of bytes that a unit alone reads from flash, or writes to it."""

from __future__ import annotations

import math
from typing import NamedTuple

from moe_cosim.hw_models.access_rate import PS_PER_S, channel_cap, window_cap
from moe_cosim.hw_models.components import Memory, Unit
from moe_cosim.hw_models.flash.pages import command_of, command_turn_ps, first_bytes, paged_bytes, under_way


class FlashRun(NamedTuple):
    """Rates in bytes of the run per ps."""

    page_factor: float
    """Bytes that the drive moves for each."""
    cap: float
    """What the dies that it touches allow."""
    window: float
    """What its queue allows."""
    last_burst_bytes: float
    """Of a run that its queue limits: what comes together at the end; 0 where all is asked for at once."""
    first_bytes: float
    """Of pages, whose time the latency holds."""


def flash_run(memory: Memory, unit: Unit, size_bytes: int, of_bytes: int, is_write: bool, latency_ps: int) -> FlashRun:
    """Of one access of an event that moves `of_bytes` in all, at the start of a page.

    `latency_ps` is that of the whole way. Raises `ValueError` for a memory that is no flash.
    """
    if memory.flash is None:
        raise ValueError(f"{memory.name} is no flash memory")
    page, dies = memory.flash.page_bytes, memory.channels
    share = float(memory.efficiency.share(0, is_write))
    rate = share * memory.peak_bytes_per_s / PS_PER_S
    factor = paged_bytes(0, size_bytes, 0, page) / size_bytes
    cap = math.inf
    if not is_write:
        cap = channel_cap(share, memory.peak_bytes_per_s, dies, page, 0, size_bytes) / factor
    window = under_way(unit.window_bytes, unit.command_bytes, size_bytes)
    command = command_of(unit.command_bytes, size_bytes, page)
    first = first_bytes(page, dies, is_write)
    turn_ps = command_turn_ps(latency_ps, command, first, rate)
    own = max(window * (size_bytes / of_bytes), min(command, size_bytes))
    allowed = window_cap(window, size_bytes, of_bytes, command, turn_ps)
    if size_bytes <= own:
        allowed, last = math.inf, 0.0
    else:
        last = size_bytes - own * (math.ceil(size_bytes / own) - 1)
    return FlashRun(factor, cap, allowed, last, min(size_bytes * factor, max(own, page), first))
