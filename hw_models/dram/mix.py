"""What is left of a memory's bandwidth when several streams, reads and writes meet there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.components import AccessEfficiency, Memory
from moe_cosim.hw_models.dram.memory import DramMemory, channel_blocks, random_blocks, stream
from moe_cosim.hw_models.dram_timing.pattern import AccessPattern

STREAMS: Final = (1, 2, 4, 8, 16)
READ_SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
_EQUAL: Final = (0.0, 0.5, 1.0)
"""Shares of reads of two streams that are equally fast; of others one overtakes the other and leaves its banks."""
SCATTERED_BYTES: Final = 1024
"""On one channel: a shorter block is scattered, its rows are left before they are read. A row of HBM."""


@dataclass(frozen=True)
class MixFactors:
    """Factors of a memory's capacity, at most 1, against what the patterns reach alone.

    A byte of a flow takes 1 / share of the memory's peak, with the share that its own pattern reaches alone
    (`AccessEfficiency`); of all flows together that may be the peak times the factor of their mix. One stream has
    factor 1, and so have reads of scattered blocks, or writes, among themselves.
    """

    sequential: tuple[tuple[float, ...], ...]
    """[STREAMS][READ_SHARES] of so many streams, of whose bytes that share is read."""
    scattered: tuple[float, ...]
    """[READ_SHARES] of scattered blocks."""
    together: tuple[float, ...]
    """[READ_SHARES] of two streams that are in the same banks all the time, in rows of their own."""

    def factor(self, streams: int, read_share: float, scattered_share: float = 0.0) -> float:
        """Of a mix of `streams` sequential streams with `scattered_share` of the bytes in scattered blocks; of all
        bytes `read_share` is read.

        Linear in the shares and in the logarithm of the streams; above 16 as with 16.
        """
        place = math.log2(min(max(streams, 1), STREAMS[-1]))
        low = min(int(place), len(STREAMS) - 2)
        few, many = (_between(self.sequential[at], read_share) for at in (low, low + 1))
        sequential = few + (many - few) * (place - low)
        return sequential + (_between(self.scattered, read_share) - sequential) * scattered_share

    @cached_property
    def by_streams(self) -> NDArray[np.float64]:
        """[17, 5] factors of 0 (as of 1) to 16 sequential streams, by READ_SHARES."""
        rows = range(STREAMS[-1] + 1)
        return np.array([[self.factor(streams, share) for share in READ_SHARES] for streams in rows])


def mix_factors(memory: Memory) -> MixFactors | None:
    """Of a memory whose DRAM is known, from its timing model (answers that were recorded, or are simulated now); else
    None: such a memory gives every mix what its flows reach alone.

    A measured share (`sequential_read`) below what the channels give has its cause before the channels: a mix lowers it
    only so far as the channels give less than that.
    """
    if memory.dram is None:
        return None
    return _factors(memory.dram, memory.interleave_bytes, memory.efficiency)


def is_scattered(memory: Memory, block_bytes: int) -> bool:
    """Whether an access of blocks of this length (0: one run) counts as scattered in that memory."""
    return 0 < block_bytes < memory.channels * SCATTERED_BYTES


def asked(memory: Memory) -> tuple[AccessPattern, ...]:
    """All that this and `AccessEfficiency` ask about a channel of a memory whose DRAM is known."""
    if memory.dram is None:
        return ()
    meeting = [memory.dram.mixed(count, share) for count in STREAMS[1:] for share in READ_SHARES]
    blocks = [random_blocks(block, share) for block in channel_blocks(memory.interleave_bytes) for share in (0.0, 1.0)]
    mixed_blocks = [random_blocks(memory.interleave_bytes, share) for share in READ_SHARES[1:-1]]
    together = [memory.dram.together(share) for share in _EQUAL]
    return (stream(0.0), stream(1.0), *meeting, *together, *blocks, *mixed_blocks)


@lru_cache(maxsize=256)
def _factors(dram: DramMemory, interleave_bytes: int, shares: AccessEfficiency) -> MixFactors:
    """`shares` are those of the peak that streams and scattered blocks reach alone."""
    ends = (shares.read[-1], shares.write[-1])
    pieces = float(shares.share(interleave_bytes, False)), float(shares.share(interleave_bytes, True))

    def factors(patterns: list[AccessPattern], alone: tuple[float, float], own: tuple[float, float]) -> list[float]:
        reads, writes = (min(each) for each in zip(alone, own, strict=True))
        return [
            min(1.0, dram.share(pattern) * (share / reads + (1 - share) / writes))
            for pattern, share in zip(patterns, READ_SHARES, strict=True)
        ]

    own = dram.share(stream(1.0)), dram.share(stream(0.0))
    rows = [factors([dram.mixed(count, share) for share in READ_SHARES], ends, own) for count in STREAMS[1:]]
    alone = [1.0, *rows[0][1:-1], 1.0]  # a single stream beside scattered blocks turns as two do
    blocks = [random_blocks(interleave_bytes, share) for share in READ_SHARES]
    scattered = factors(blocks, pieces, (dram.share(blocks[-1]), dram.share(blocks[0])))
    return MixFactors(tuple(map(tuple, [alone, *rows])), tuple(scattered), _together(dram, rows[0]))


def _together(dram: DramMemory, apart: list[float]) -> tuple[float, ...]:
    """`apart`: factors of two streams by READ_SHARES. What is lost against them is linear between `_EQUAL`."""
    lost = [max(0.0, 1.0 - dram.share(dram.together(share)) / dram.share(dram.mixed(2, share))) for share in _EQUAL]
    left = 1.0 - np.interp(READ_SHARES, _EQUAL, lost)
    return tuple(float(factor) for factor in np.array(apart) * left)


def _between(values: tuple[float, ...], read_share: float) -> float:
    place = min(max(read_share, 0.0), 1.0) * (len(READ_SHARES) - 1)
    low = min(int(place), len(READ_SHARES) - 2)
    return values[low] * (low + 1 - place) + values[low + 1] * (place - low)
