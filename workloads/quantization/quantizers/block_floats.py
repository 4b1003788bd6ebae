"""Four-bit floating point in blocks that share a scale, and GGUF's simple blocks, rounded by libraries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.extras import load
from moe_cosim.hw_models.formats import WeightFormat, find_format
from moe_cosim.workloads.quantization.checkpoints.mxfp4_blocks import E2M1
from moe_cosim.workloads.quantization.quantizers.quantizer import QuantizedWeight, Quantizer, finite_matrix

if TYPE_CHECKING:
    from torch import Tensor

_GGUF_NAMES = {"mxfp4": "MXFP4", "q4_0": "Q4_0", "q5_0": "Q5_0", "q8_0": "Q8_0"}


@dataclass(frozen=True, eq=False)
class GgufWeight(QuantizedWeight):
    """Rows of a GGUF tensor, whose types are as the library ``gguf`` has them."""

    format: WeightFormat
    rows: int
    columns: int
    blocks: Any
    """uint8 [rows, bytes]."""

    def dequantize(self) -> Tensor:
        from torch import from_numpy

        quants, kinds = load("gguf.quants", "gguf", "quantize"), load("gguf", "gguf", "quantize").GGMLQuantizationType
        found = quants.dequantize(self.blocks, kinds[_GGUF_NAMES[self.format.name]])
        return from_numpy(found.astype(np.float32))

    def packed(self) -> bytes:
        data: bytes = self.blocks.tobytes()
        return data


@dataclass(frozen=True)
class Gguf(Quantizer):
    """By the library ``gguf``: blocks of 32 weights with a 16-bit scale. (Its k-quants: `k_quants`.)"""

    name: str = "q4_0"

    summary = "blocks of 32 as GGUF stores them, by the library gguf"
    widths: ClassVar[tuple[float, ...]] = (4, 5, 8)

    def quantize(self, weight: Tensor, hessian: Tensor | None = None, where: object = "weight") -> GgufWeight:
        matrix = whole_blocks(weight, 32, where)
        quants, kinds = load("gguf.quants", "gguf", "quantize"), load("gguf", "gguf", "quantize").GGMLQuantizationType
        blocks = quants.quantize(matrix.numpy(), kinds[_GGUF_NAMES[self.name]])
        rows, columns = matrix.shape
        return GgufWeight(find_format(self.name), rows, columns, blocks)


@dataclass(frozen=True)
class Mxfp4(Gguf):
    """32 E2M1 values share a power of two (OCP Microscaling Formats 1.0, 6.3), by the library ``gguf``."""

    name: str = "mxfp4"

    summary = "E2M1 values in blocks of 32 with powers of two, by the library gguf"
    widths = (4,)


@dataclass(frozen=True, eq=False)
class Nvfp4Weight(QuantizedWeight):
    """16 E2M1 values share an E4M3 scale, and the tensor a 32-bit one, which its few bytes leave out."""

    format: WeightFormat
    rows: int
    columns: int
    halves: Tensor
    """uint8 [rows, columns / 2], the first of two values in the lower half."""
    scales: Tensor
    """float8_e4m3fn [rows, columns / 16]."""
    tensor_scale: Tensor

    def dequantize(self) -> Tensor:
        import torch

        codes = torch.stack([self.halves & 15, self.halves >> 4], dim=-1).reshape(self.rows, -1, 16)
        scales = self.scales.float().reshape(self.rows, -1, 1) * self.tensor_scale
        return (torch.tensor(E2M1)[codes.int()] * scales).reshape(self.rows, self.columns)

    def packed(self) -> bytes:
        import torch

        scales: bytes = self.scales.view(torch.uint8).numpy().tobytes()
        return scales + bytes(self.halves.numpy().tobytes())


@dataclass(frozen=True)
class Nvfp4(Quantizer):
    """By torchao, with a scale per tensor that puts the largest block scale at E4M3's largest value."""

    summary = "E2M1 values in blocks of 16 with E4M3 scales, by torchao"
    widths = (4,)

    def quantize(self, weight: Tensor, hessian: Tensor | None = None, where: object = "weight") -> Nvfp4Weight:
        library = load("torchao.prototype.mx_formats.nvfp4_tensor", "nvfp4", "quantize")
        matrix = whole_blocks(weight, 16, where)
        tensor_scale = library.per_tensor_amax_to_scale(matrix.abs().max().clamp(min=1e-12))
        scales, halves = library.nvfp4_quantize(matrix, 16, tensor_scale)
        rows, columns = matrix.shape
        shaped = scales.reshape(rows, -1), halves.reshape(rows, -1)
        return Nvfp4Weight(find_format("nvfp4"), rows, columns, shaped[1], shaped[0], tensor_scale)


def whole_blocks(weight: Tensor, block: int, where: object) -> Tensor:
    """`weight` as float32. Raises `InputError` for rows that are no whole number of blocks."""
    matrix = finite_matrix(weight, where)
    if matrix.shape[1] % block:
        raise InputError(where, "weight", Plain(str(list(matrix.shape))), f"rows of whole blocks of {block}")
    return matrix.contiguous()
