"""Access patterns: which addresses are asked for, in which order, and which of them are written."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError
from moe_cosim.hw_models.dram_timing.standard import DramStandard

ORDERS: Final = ("sequential", "random")
STARTS: Final = ("staggered", "same-bank")
_MOST_BYTES: Final = 1 << 28


@dataclass(frozen=True)
class AccessPattern:
    """Raises `InputError` for what is none."""

    order: str = "sequential"
    """Of the blocks of a stream."""
    block_bytes: int = 64
    streams: int = 1
    """They take turns, a block each."""
    starts: str = "staggered"
    """``staggered``: spread evenly over the banks; ``same-bank``: all at the same bank, in rows of their own."""
    read_share: float = 1.0
    """Of the blocks. With several streams the last ones write; a single random stream mixes reads and writes."""
    total_bytes: int = 4 << 20
    """Of all streams together."""
    seed: int = 1

    def __post_init__(self) -> None:
        for name, legal in (("order", ORDERS), ("starts", STARTS)):
            if getattr(self, name) not in legal:
                raise InputError("pattern", name, getattr(self, name), legal)
        if not 0 <= self.read_share <= 1:
            raise InputError("pattern", "read_share", self.read_share, "0 to 1")
        if not 1 <= self.streams <= 1024:
            raise InputError("pattern", "streams", self.streams, "1 to 1024")
        if not 0 < self.total_bytes <= _MOST_BYTES:
            raise InputError("pattern", "total_bytes", self.total_bytes, f"1 to {_MOST_BYTES}")
        if not 0 < self.block_bytes <= self.total_bytes:
            raise InputError("pattern", "block_bytes", self.block_bytes, f"1 to total_bytes ({self.total_bytes})")


def accesses_of(pattern: AccessPattern, standard: DramStandard) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(number of the access from the start of the channel, 1 where it writes), in order."""
    blocks = max(1, pattern.total_bytes // pattern.block_bytes)
    write = _writes(pattern, blocks)
    per_block = -(-pattern.block_bytes // standard.access_bytes)
    all_accesses = standard.capacity_bytes // standard.access_bytes
    if pattern.order == "random":
        places = max(1, all_accesses // per_block)
        first = np.random.default_rng(pattern.seed).integers(0, places, blocks) * per_block
    else:
        stream = _streams(pattern, write)
        turn = np.zeros(blocks, np.int64)
        for each in range(pattern.streams):
            mine = stream == each
            turn[mine] = np.arange(np.count_nonzero(mine))
        first = _starts(pattern, standard)[stream] + turn * per_block
    accesses = (first[:, None] + np.arange(per_block)).reshape(-1) % all_accesses
    return accesses, np.repeat(write, per_block)


def _writes(pattern: AccessPattern, blocks: int) -> NDArray[np.int64]:
    """Spread evenly: of any n blocks in a row the share's part, rounded."""
    share = Fraction(pattern.read_share).limit_denominator(64)
    place = np.arange(blocks, dtype=np.int64)
    reads = (place + 1) * share.numerator // share.denominator - place * share.numerator // share.denominator
    if 0 < share < 1:  # reads first
        reads = -((-(place + 1)) * share.numerator // share.denominator) + (
            -place * share.numerator // share.denominator
        )
    return 1 - reads


def _streams(pattern: AccessPattern, write: NDArray[np.int64]) -> NDArray[np.int64]:
    """The stream of each block: those that read take turns, and those that write."""
    writers = round(pattern.streams * (1 - pattern.read_share))
    if 0 < pattern.read_share < 1:
        writers = min(max(writers, 1), max(pattern.streams - 1, 1))
    readers = pattern.streams - writers
    if pattern.streams == 1:
        return np.zeros(len(write), np.int64)
    reads_before = np.cumsum(1 - write) - (1 - write)
    writes_before = np.cumsum(write) - write
    return np.where(write == 1, readers + writes_before % max(writers, 1), reads_before % max(readers, 1))


def _starts(pattern: AccessPattern, standard: DramStandard) -> NDArray[np.int64]:
    """[streams] accesses."""
    sweep = standard.banks * standard.columns
    apart = standard.rows // pattern.streams * sweep
    stagger = 0 if pattern.starts == "same-bank" else sweep // pattern.streams
    return np.arange(pattern.streams, dtype=np.int64) * (apart + stagger)
