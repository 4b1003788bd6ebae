"""Buffers in host memory by way of which experts come from flash memory to the GPU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class BounceBuffers:
    """One for every expert of a layer, and as many for what is prefetched; layers take turns."""

    address: int
    each_bytes: int
    experts: int

    def places(self, expert: NDArray[np.int32], prefetch: NDArray[np.bool_]) -> NDArray[np.int64]:
        """[moves] address of the buffer of each."""
        return self.address + self.each_bytes * (expert.astype(np.int64) + self.experts * prefetch)
