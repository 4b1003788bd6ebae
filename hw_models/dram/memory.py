"""What a memory says of its DRAM, and what share of its peak that gives to access patterns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from moe_cosim.hw_models.components import AccessEfficiency
from moe_cosim.hw_models.dram_timing.ask import ask
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.pattern import AccessPattern
from moe_cosim.hw_models.dram_timing.standard import DramStandard

ASKED_BYTES: Final = 1 << 20
"""Moved for one answer: a dozen refreshes and more."""
BLOCKS_BYTES: Final = (64, 256, 1024, 4096)
"""Random blocks, as one channel sees them."""


@dataclass(frozen=True)
class DramMemory:
    """The DRAM behind a memory."""

    standard: DramStandard
    """Organisation and timings at the memory's own speed, of one channel as the memory counts channels."""
    controller: Controller
    """Of each channel: assumptions of the catalogue."""
    measured_read: float | None = None
    """Share of the peak that sequential reads were measured or are assumed to reach; it stands in the place of what the
    timing model says of them."""
    starts: str = "staggered"
    """Where streams that meet begin: at banks of their own, or ``same-bank``. An assumption of the catalogue."""

    def share(self, pattern: AccessPattern) -> float:
        """Of a channel's peak, that the pattern gets of one channel; from the timing model alone."""
        return ask(self.standard, self.controller, pattern).bytes_per_s / self.standard.peak_bytes_per_s

    def efficiency(self, channels: int, interleave_bytes: int) -> AccessEfficiency:
        """By the length of contiguous blocks of a memory of so many channels.

        A block shorter than a sweep over all channels lies in pieces of `interleave_bytes` on some of them, and a
        longer one has its part, contiguous, on each: so a channel sees blocks of its own length. A stream is
        contiguous on every channel. No shorter block does better than a longer one.
        """
        on_channel = channel_blocks(interleave_bytes)
        of_memory = [block if block <= interleave_bytes else block * channels for block in on_channel]
        read, write = (
            [self.share(random_blocks(block, reads)) for block in on_channel] + [self.share(stream(reads))]
            for reads in (1.0, 0.0)
        )
        if channels > 1:  # up to a sweep a block is still cut into the same pieces
            cut = on_channel.index(interleave_bytes)
            of_memory.insert(cut + 1, interleave_bytes * channels)
            for shares in (read, write):
                shares.insert(cut + 1, shares[cut])
        table = AccessEfficiency(
            (*map(float, of_memory), 4.0 * of_memory[-1]), tuple(_rising(read)), tuple(_rising(write))
        )
        return table if self.measured_read is None else with_sequential_read(table, self.measured_read)

    def mixed(self, streams: int, read_share: float) -> AccessPattern:
        """So many streams of a channel that take turns, of which a part writes."""
        return AccessPattern(streams=streams, starts=self.starts, read_share=read_share, total_bytes=ASKED_BYTES)

    def together(self, read_share: float) -> AccessPattern:
        """Two streams of a channel that go through the same banks at one time, in rows of their own."""
        return AccessPattern(streams=2, starts="same-bank", read_share=read_share, total_bytes=ASKED_BYTES)


def channel_blocks(interleave_bytes: int) -> list[int]:
    """Lengths of random blocks that are asked about."""
    return sorted({*BLOCKS_BYTES, interleave_bytes})


def _rising(shares: Sequence[float]) -> list[float]:
    """No point above a later one."""
    return [float(share) for share in np.minimum.accumulate(shares[::-1])[::-1]]


def stream(read_share: float) -> AccessPattern:
    """One sequential stream of a channel that reads (1) or writes (0)."""
    return AccessPattern(read_share=read_share, total_bytes=ASKED_BYTES)


def random_blocks(block_bytes: int, read_share: float) -> AccessPattern:
    """Blocks at random places of a channel."""
    return AccessPattern("random", block_bytes, read_share=read_share, total_bytes=max(ASKED_BYTES, block_bytes))


def with_sequential_read(table: AccessEfficiency, share: float) -> AccessEfficiency:
    """`table` for a memory whose sequential reads were measured to reach `share` of its peak.

    Sequential writes keep the table's ratio to reads, and no shorter block does better than the
    sequential stream: what limits the stream (a controller, refresh) limits them too.
    """
    write = min(1.0, table.write[-1] * share / table.read[-1])
    return AccessEfficiency(
        table.block_bytes,
        (*(min(point, share) for point in table.read[:-1]), share),
        (*(min(point, write) for point in table.write[:-1]), write),
    )
