"""GGUF's k-quants, which the library ``gguf`` unpacks and does not pack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.formats import WeightFormat, find_format
from moe_cosim.workloads.quantization.quantizers.block_floats import whole_blocks
from moe_cosim.workloads.quantization.quantizers.k_layouts import BLOCK_WEIGHTS, K_TYPES, Bytes
from moe_cosim.workloads.quantization.quantizers.k_rounding import k_blocks, reach
from moe_cosim.workloads.quantization.quantizers.quantizer import QuantizedWeight, Quantizer

if TYPE_CHECKING:
    from torch import Tensor

_CHUNK: Final = 1 << 10
"""Blocks at a time: what a search goes over again and again stays in a cache."""


@dataclass(frozen=True, eq=False)
class KWeight(QuantizedWeight):
    """Rows of a GGUF tensor."""

    format: WeightFormat
    rows: int
    columns: int
    blocks: Bytes
    """[blocks, bytes of one], row after row."""

    def dequantize(self) -> Tensor:
        from torch import from_numpy

        kind = K_TYPES[self.format.name]
        values = np.empty((len(self.blocks), BLOCK_WEIGHTS), np.float32)
        for start in range(0, len(values), _CHUNK):
            values[start : start + _CHUNK] = kind.values(kind.unpack(self.blocks[start : start + _CHUNK]))
        return from_numpy(values.reshape(self.rows, self.columns))

    def packed(self) -> bytes:
        return self.blocks.tobytes()


@dataclass(frozen=True)
class KQuants(Quantizer):
    """q2_k to q6_k in ggml's layouts, rounded by this project's search (`k_rounding`)."""

    bits: int

    summary = "blocks of 256 as GGUF's k-quants, scales searched for the least squared error"
    widths = (2, 3, 4, 5, 6)

    def quantize(self, weight: Tensor, hessian: Tensor | None = None, where: object = "weight") -> KWeight:
        """Raises `InputError` also for rows of no whole blocks, and for weights too large for a 16-bit scale."""
        matrix = whole_blocks(weight, BLOCK_WEIGHTS, where).numpy()
        found = find_format(f"q{self.bits}_k")
        kind = K_TYPES[found.name]
        largest = float(np.abs(matrix).max())
        if largest > reach(kind):
            raise InputError(where, "weight", Plain(f"{largest:.3g}"), "weights that a 16-bit scale can reach")
        rows, columns = matrix.shape
        blocks = matrix.reshape(-1, BLOCK_WEIGHTS)
        parts = [kind.pack(k_blocks(blocks[start : start + _CHUNK], kind)) for start in range(0, len(blocks), _CHUNK)]
        return KWeight(found, rows, columns, np.concatenate(parts))
