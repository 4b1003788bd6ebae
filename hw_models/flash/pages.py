"""What a drive does to one access: whole pages, commands, and pages that wait for each other on its dies.

Two ask: what an event costs alone (`moe_cosim.hw_models.alone`), which calls these functions as they are, and the
embedded engine, which compiles them. So they know numbers only. Rates are bytes/ps.
"""

from __future__ import annotations


def paged_bytes(offset_bytes: int, size_bytes: int, block_bytes: int, page_bytes: int) -> int:
    """Bytes of all pages that an access touches, `offset_bytes` from the start of its memory.

    Blocks (`block_bytes` > 0) lie each at the start of a page; else the access is one run.
    """
    if block_bytes > 0:
        blocks, rest = size_bytes // block_bytes, size_bytes % block_bytes
        pages = blocks * ((block_bytes + page_bytes - 1) // page_bytes) + (rest + page_bytes - 1) // page_bytes
        return pages * page_bytes
    first, last = offset_bytes // page_bytes, (offset_bytes + size_bytes - 1) // page_bytes
    return (last - first + 1) * page_bytes


def command_of(command_bytes: float, piece_bytes: float, page_bytes: float) -> float:
    """What one command asks for: of a piece that is shorter than a command that piece, of a unit without a queue
    (`command_bytes` 0) a page."""
    return min(max(command_bytes, page_bytes), max(piece_bytes, page_bytes))


def under_way(window_bytes: float, command_bytes: float, piece_bytes: float) -> float:
    """Bytes that a queue has under way: its depth counts commands, and one is no longer than a piece."""
    return window_bytes * min(1.0, piece_bytes / command_bytes) if command_bytes > 0 else window_bytes


def first_bytes(page_bytes: float, dies: int, is_write: bool) -> float:
    """Bytes whose time the latency holds: a page of every die is read at once, a page is written into a buffer."""
    return page_bytes if is_write else page_bytes * dies


def command_turn_ps(latency_ps: float, command_bytes: float, first: float, bytes_per_ps: float) -> float:
    """From a command to its last byte: the `first_bytes` are there after the latency, the rest behind them."""
    return latency_ps + max(command_bytes - first, 0.0) / bytes_per_ps


def die_wait_ps(commands: float, page_ps: float, dies: int, turn_ps: float) -> float:
    """That a page read at random waits for those of its own queue, which has so many `commands` under way.

    Each keeps one of the dies busy for `page_ps` of its turn. A closed network of equal queues with a delay beside
    them; its balanced job bound (Lazowska, Zahorjan, Graham, Sevcik, Quantitative System Performance, 1984,
    section 5.4), which a network of equal queues nearly reaches.
    """
    return max(commands - 1.0, 0.0) * page_ps / dies * page_ps / turn_ps
