"""OCP Microscaling Formats 1.0: 32 E2M1 values share a power of two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from torch import Tensor

E2M1: Final = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0)
"""By code: sign, two bits of exponent, one of mantissa."""
E8M0_BIAS: Final = 127


def from_blocks(blocks: Tensor, scales: Tensor) -> Tensor:
    """float32 [rows, 32 groups] of bytes [rows, groups, 16], the first of two values in the lower half, and E8M0
    scales [rows, groups]."""
    import torch

    table = torch.tensor(E2M1)
    halves = torch.stack([blocks & 15, blocks >> 4], dim=-1).reshape(*blocks.shape[:-1], -1)
    return torch.ldexp(table[halves.int()], scales[..., None].int() - E8M0_BIAS).flatten(-2)
