"""Copies that are spread over several memories, part by part.

A *striped* copy lies in equal parts on every memory of a set, at the same offset of a region there,
so that all of them can be read at once; a *localized* copy lies in one range of one memory. In a
plan a striped copy has one address like any other, in a space of its own from `STRIPED` on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

STRIPED: Final = 1 << 62
"""Addresses from here on are offsets into stripes: beyond every memory of a machine."""


@dataclass(frozen=True)
class Stripes:
    """The region for parts in each of `memories`; `starts` are their first addresses."""

    memories: tuple[str, ...]
    starts: tuple[int, ...]

    def sizes(self, size_bytes: int) -> NDArray[np.int64]:
        """[n] bytes of each part: as equal as they can be, the first ones larger."""
        share, more = divmod(size_bytes, len(self.starts))
        return share + (np.arange(len(self.starts)) < more).astype(np.int64)

    def part(self, index: int) -> int:
        """What to add to the address of a copy, from `STRIPED` on, for where its part `index` starts."""
        return self.starts[index] - STRIPED


def is_striped(address: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each address is one of a striped copy, in the shape of `address`."""
    return np.asarray(address >= STRIPED)
