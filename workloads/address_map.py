"""Who lies where: regions of the machine's memories, given out once and never moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.components import Memory
from moe_cosim.quantity import format_quantity

ALIGNMENT_BYTES = 4096
"""Regions and expert copies start on page boundaries, so no two share a DRAM row by accident."""


def aligned(size_bytes: int) -> int:
    """`size_bytes` rounded up to whole pages."""
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


@dataclass(frozen=True)
class Region:
    """`size_bytes` of one memory from `address` on, in the machine's address space."""

    name: str
    memory: str
    address: int
    size_bytes: int


class AddressMap:
    """Hands out regions from the bottom of each memory; refuses what does not fit."""

    def __init__(self, memories: dict[str, Memory], where: object) -> None:
        self._memories = memories
        self._where = where
        self._used = dict.fromkeys(memories, 0)
        self.regions: list[Region] = []

    def copied(self, where: object) -> AddressMap:
        """Another that has given out the same so far."""
        other = AddressMap(self._memories, where)
        other._used, other.regions = dict(self._used), list(self.regions)
        return other

    def free_bytes(self, memory: str) -> int:
        """What no region has of the memory's capacity."""
        return self._memories[memory].capacity_bytes - self._used[memory]

    def used_bytes(self, memory: str) -> int:
        """What regions have of the memory, gaps of alignment included."""
        return self._used[memory]

    def take(self, name: str, memory: str, size_bytes: int) -> Region:
        """A region of at least `size_bytes`; raises `InputError` where the memory is too small."""
        size = aligned(size_bytes)
        if size > self.free_bytes(memory):
            raise InputError(
                self._where,
                f"{name} in {memory}",
                Plain(f"{format_quantity(size, 'bytes')} needed"),
                f"at most the {format_quantity(max(self.free_bytes(memory), 0), 'bytes')} left of "
                f"{format_quantity(self._memories[memory].capacity_bytes, 'bytes')}",
            )
        region = Region(name, memory, self._memories[memory].base_address + self._used[memory], size)
        self._used[memory] += size
        self.regions.append(region)
        return region

    def take_grid(
        self, name: str, memories: Sequence[str], layers: int, experts: int, each_bytes: int
    ) -> NDArray[np.int64]:
        """Addresses [layers, experts] of one copy each; expert `e` goes to ``memories[e % len(memories)]``."""
        stride = aligned(each_bytes)
        addresses = np.full((layers, experts), -1, dtype=np.int64)
        turns = np.arange(experts) % len(memories)
        for memory in dict.fromkeys(memories):
            own = np.flatnonzero(np.array([name == memory for name in memories])[turns])
            region = self.take(name, memory, layers * len(own) * stride)
            grid = np.arange(layers * len(own), dtype=np.int64).reshape(layers, len(own))
            addresses[:, own] = region.address + grid * stride
        return addresses
