"""Flows that read or write flash: whole pages, commands in a queue, and pages that wait for each other on dies."""

from __future__ import annotations

from typing import Any

import numpy as np

from moe_cosim.compiled import compiled_part
from moe_cosim.hw_models import access_rate
from moe_cosim.hw_models.flash import pages

command_of = compiled_part(pages.command_of)
under_way = compiled_part(pages.under_way)
_paged_bytes = compiled_part(pages.paged_bytes)
_command_turn_ps = compiled_part(pages.command_turn_ps)
_die_wait_ps = compiled_part(pages.die_wait_ps)
first_bytes = compiled_part(pages.first_bytes)


@compiled_part
def paged(part: Any, access: Any) -> float:
    """Bytes that the memory moves for each byte of the access; 1 where it has no pages. `part` is of MEMORY_PART,
    `access` of ACCESS."""
    if part.page_bytes == 0:
        return 1.0
    offset: Any = np.int64(access.address) - part.base
    size: Any = np.int64(access.bytes)
    block: Any = np.int64(access.block_bytes)
    return float(_paged_bytes(offset, size, block, part.page_bytes)) / float(size)


@compiled_part
def piece_of(access: Any) -> float:
    """Bytes that lie in one run. `access` is of ACCESS."""
    size = np.float64(access.bytes)
    return min(np.float64(access.block_bytes), size) if access.block_bytes > 0 else size


@compiled_part
def page_ps(part: Any, share: float) -> float:
    """For which a page keeps its die busy."""
    rate = share * part.port_bytes_per_s / access_rate.PS_PER_S
    return float(part.page_bytes / (rate / part.channels))


@compiled_part
def flash_turn_ps(
    part: Any, access: Any, share: float, latency_ps: float, command: float, commands: float, is_read: bool
) -> float:
    """From a command to its last byte, where so many `commands` are under way; only pages that are read at random wait
    for each other."""
    rate = share * part.port_bytes_per_s / access_rate.PS_PER_S
    turn_ps = _command_turn_ps(
        latency_ps, command, first_bytes(float(part.page_bytes), part.channels, not is_read), rate
    )
    if is_read and 0 < access.block_bytes <= part.page_bytes:
        turn_ps += _die_wait_ps(commands, page_ps(part, share), part.channels, turn_ps)
    return turn_ps
