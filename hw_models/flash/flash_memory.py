"""What a flash memory has beyond what every memory has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FlashMemory:
    """Its channels are dies, its interleaving is its page."""

    page_bytes: int
    """Least that is read or written."""
    write_latency_ps: int
    """Of a write that finds room in the drive's buffer; `Memory.latency_ps` is that of a read. Both hold the time that
    the die is busy with the first page."""
    path: str
    """How copies to the GPU go: ``host`` by way of a buffer in host memory, ``direct`` straight to it."""
