"""Random operands: views of one large buffer, taken in turn."""

from __future__ import annotations

import math
from typing import Final

import torch

ALIGNMENT: Final = 256  # elements
CHUNK: Final = 1 << 28  # elements filled at a time


class Pool:
    """A buffer of random values on the device; what is taken from it starts over where it ends."""

    def __init__(self, dtype: torch.dtype, size_bytes: int) -> None:
        """bfloat16 and float8 hold normal values of deviation 0.05, integers any bits."""
        self.values = torch.empty(size_bytes // dtype.itemsize, dtype=dtype, device="cuda")
        for part in self.values.split(CHUNK):
            if dtype.is_floating_point:
                part.copy_(torch.randn(part.numel(), dtype=torch.bfloat16, device="cuda").mul_(0.05))
            else:
                limits = torch.iinfo(dtype)
                part.random_(limits.min, limits.max)
        self.next = 0

    def take(self, *shape: int) -> torch.Tensor:
        """The next view of this shape, contiguous. Raises ValueError where the whole buffer is smaller."""
        count = math.prod(shape)
        if count > self.values.numel():
            raise ValueError(f"{shape}: larger than the pool of {self.values.numel()} values")
        if self.next + count > self.values.numel():
            self.next = 0
        view = self.values[self.next : self.next + count].view(shape)
        self.next += -(-count // ALIGNMENT) * ALIGNMENT
        return view
