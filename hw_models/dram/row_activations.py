"""How many rows of a memory's DRAM are opened for what is read and written, by the timing model of its channels."""

from __future__ import annotations

from dataclasses import dataclass

from moe_cosim.hw_models.components import Memory
from moe_cosim.hw_models.dram.memory import ASKED_BYTES, DramMemory, channel_blocks, random_blocks, stream
from moe_cosim.hw_models.dram_timing.ask import ask
from moe_cosim.hw_models.dram_timing.pattern import AccessPattern


@dataclass(frozen=True)
class RowActivations:
    """Rows opened per byte against the length of contiguous blocks, which increases."""

    block_bytes: tuple[int, ...]
    """Shortest blocks of each class; a class reaches up to the next."""
    read: tuple[float, ...]
    write: tuple[float, ...]


_NOTHING = RowActivations((0,), (0.0,), (0.0,))


def row_activations(memory: Memory) -> RowActivations:
    """Of a memory without DRAM: none.

    Blocks lie over the channels as `DramMemory.efficiency` says. A stream opens each row once at least.
    """
    if memory.dram is None:
        return _NOTHING
    dram, channels = memory.dram, memory.channels
    of_channel = channel_blocks(memory.interleave_bytes)
    of_memory = [block if block <= memory.interleave_bytes else block * channels for block in of_channel]
    per_byte = [
        [_per_byte(dram, random_blocks(block, reads)) for block in of_channel]
        + [max(_per_byte(dram, stream(reads)), 1 / dram.standard.row_bytes)]
        for reads in (1.0, 0.0)
    ]
    starts = (0, *of_memory[1:], 4 * of_memory[-1])
    return RowActivations(starts, tuple(per_byte[0]), tuple(per_byte[1]))


def _per_byte(dram: DramMemory, pattern: AccessPattern) -> float:
    found = ask(dram.standard, dram.controller, pattern)
    return (found.row_misses + found.row_conflicts) / max(ASKED_BYTES, pattern.total_bytes)
