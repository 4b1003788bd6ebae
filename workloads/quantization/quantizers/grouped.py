"""Integers in groups along a row, each with a 16-bit scale and perhaps a zero point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.workloads.quantization.quantizers.packing import pack_codes, unpack_codes
from moe_cosim.workloads.quantization.quantizers.quantizer import QuantizedWeight

if TYPE_CHECKING:
    from torch import Tensor

_HALF_BITS = 16


@dataclass(frozen=True, eq=False)
class GroupedWeight(QuantizedWeight):
    """A weight is (code - zero point) * scale; without zero points, codes are centred and 1 bit is a sign."""

    format: WeightFormat
    codes: Tensor
    """uint8 [rows, columns], from 0 to 2^bits - 1."""
    scales: Tensor
    """float16 [rows, groups]."""
    zeros: Tensor | None
    """[rows, groups]: uint8, or float16 where the format gives them 16 bits."""

    @property
    def rows(self) -> int:  # type: ignore[override]
        """Outputs of the matrix."""
        return int(self.codes.shape[0])

    @property
    def columns(self) -> int:  # type: ignore[override]
        """Inputs of the matrix."""
        return int(self.codes.shape[1])

    def dequantize(self) -> Tensor:
        size = self.format.group_size
        zeros = float(centre(self.format.bits)) if self.zeros is None else spread(self.zeros, size, self.columns)
        return (self.codes.float() - zeros) * spread(self.scales, size, self.columns)

    def packed(self) -> bytes:
        """Scales; zero points of 16 bits; codes and, behind them, zero points as wide as codes."""
        parts = [self.scales.numpy().tobytes()]
        codes = self.codes.numpy().reshape(-1)
        if self.zeros is not None and self.format.zero_point_bits == _HALF_BITS:
            parts.append(self.zeros.numpy().tobytes())
        elif self.zeros is not None:
            codes = np.concatenate([codes, self.zeros.numpy().reshape(-1)])
        return b"".join([*parts, pack_codes(codes, self.format.bits)])


def unpacked(data: bytes, weight_format: WeightFormat, rows: int, columns: int) -> GroupedWeight:
    """What `GroupedWeight.packed` packed. Raises `InputError` for another number of bytes."""
    from torch import from_numpy

    size = weight_format.matrix_bytes(rows, columns)
    if len(data) != size:
        raise InputError(weight_format.name, "packed", Plain(f"{len(data)} bytes"), f"{size} bytes")
    shape = (rows, -(-columns // weight_format.group_size))
    groups = shape[0] * shape[1]
    halves = bool(weight_format.zero_point_bits == _HALF_BITS)
    half_counts = groups * (1 + halves)
    stored = np.frombuffer(data, np.float16, half_counts).copy()
    beside = groups if weight_format.zero_point_bits and not halves else 0
    codes = unpack_codes(data[2 * half_counts :], weight_format.bits, rows * columns + beside)
    zeros = stored[groups:] if halves else codes[rows * columns :]
    return GroupedWeight(
        weight_format,
        from_numpy(codes[: rows * columns].reshape(rows, columns)),
        from_numpy(stored[:groups].reshape(shape)),
        from_numpy(zeros.reshape(shape)) if weight_format.zero_point_bits else None,
    )


def centre(bits: int) -> float:
    """The code that stands for 0 without zero points; of 1 bit none does: its codes are -1/2 and +1/2 of a scale."""
    return 0.5 if bits == 1 else float(2 ** (bits - 1))


def spread(of_groups: Tensor, group_size: int, columns: int) -> Tensor:
    """[rows, groups] as float32 [rows, columns]: a group's value for each of its columns."""
    return of_groups.float().repeat_interleave(group_size, dim=1)[:, :columns]


def in_groups(matrix: Tensor, group_size: int) -> Tensor:
    """[rows, columns] as [rows, groups, group_size]; of a last group that is shorter the last value is repeated, which
    changes neither its least nor its largest."""
    rows, columns = matrix.shape
    missing = -columns % group_size
    if missing:
        import torch

        matrix = torch.cat([matrix, matrix[:, -1:].expand(rows, missing)], dim=1)
    return matrix.reshape(rows, -1, group_size)
