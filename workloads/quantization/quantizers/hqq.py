"""Half-quadratic quantization, by the library of its authors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moe_cosim.extras import load
from moe_cosim.hw_models.formats import grouped_format
from moe_cosim.workloads.quantization.quantizers.grouped import GroupedWeight, in_groups
from moe_cosim.workloads.quantization.quantizers.quantizer import Quantizer, finite_matrix
from moe_cosim.workloads.quantization.quantizers.rtn import Rtn

if TYPE_CHECKING:
    from torch import Tensor

_WEIGHTS_AT_ONCE: Final = 1 << 16
"""Rows of so many are solved together: they stay in a core's cache."""
NORM: Final = 0.7
"""Errors count by this power of their size (the library's ``lp_norm``)."""


@dataclass(frozen=True)
class Hqq(Quantizer):
    """HQQ (Badri and Shaji, "Half-quadratic quantization of large machine learning models", 2023), without data.

    The library's solver moves the zero points of a grid so that the sum of |error|^0.7 falls; zero points and scales
    are stored in 16 bits. It starts from a group's least and largest value; at 1 bit, where it would keep those as the
    two levels, from signs times the mean magnitude. Groups that it makes worse keep the grid of round to nearest.
    """

    bits: int
    group_size: int = 128

    summary = "zero points moved to lessen |error|^0.7, by the library hqq"
    widths = (1, 2, 3, 4, 8)

    def quantize(self, weight: Tensor, hessian: Tensor | None = None, where: object = "weight") -> GroupedWeight:
        import torch

        matrix = finite_matrix(weight, where)
        rows = max(1, _WEIGHTS_AT_ONCE // matrix.shape[1])
        parts = [self._rows(matrix[start : start + rows], where) for start in range(0, len(matrix), rows)]
        codes, steps, zeros = (torch.cat(part) for part in zip(*parts, strict=True))
        return GroupedWeight(grouped_format(self.bits, self.group_size, 16), codes, steps, zeros)

    def _rows(self, matrix: Tensor, where: object) -> tuple[Tensor, Tensor, Tensor]:
        """Codes [rows, columns], scales and zero points [rows, groups]."""
        import torch

        solver = load("hqq.core.quantize", "hqq", "quantize").Quantizer.optimize_weights
        top = 2**self.bits - 1
        groups = in_groups(matrix, self.group_size).reshape(-1, self.group_size)
        if self.bits == 1:
            start = Rtn(1, self.group_size, False).grid(matrix, where).scales.float().reshape(-1, 1).reciprocal()
            zero = start.new_full(start.shape, 0.5)
        else:
            low, high = groups.amin(dim=1, keepdim=True), groups.amax(dim=1, keepdim=True)
            start = top / (high - low).clamp(min=1e-4)
            zero = -low * start
        _, inverse, zeros = solver(tensor=groups, scale=start, zero=zero, min_max=[0, top], axis=1, device="cpu")
        steps, zeros = inverse.reciprocal().clone().half(), zeros.clone().half()
        codes, error = _rounded(groups, steps, zeros, top)
        rounded = Rtn(self.bits, self.group_size, self.bits > 1).grid(matrix, where)
        plain = steps.new_full(steps.shape, 0.5) if rounded.zeros is None else rounded.zeros.half().reshape(-1, 1)
        plain_codes, plain_error = _rounded(groups, rounded.scales.reshape(-1, 1), plain, top)
        worse = error > plain_error  # the solver lessens the sum over all groups
        steps = torch.where(worse, rounded.scales.reshape(-1, 1), steps)
        zeros, codes = torch.where(worse, plain, zeros), torch.where(worse, plain_codes, codes)
        rows, columns = matrix.shape
        return codes.reshape(rows, -1)[:, :columns], steps.reshape(rows, -1), zeros.reshape(rows, -1)


def _rounded(groups: Tensor, steps: Tensor, zeros: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """uint8 codes [groups, weights] nearest to `groups` on a grid as stored, and each group's error [groups, 1]."""
    codes = (groups / steps.float() + zeros.float()).round_().clamp_(0, top)
    error = ((codes - zeros.float()) * steps.float() - groups).abs_().pow_(NORM).sum(dim=1, keepdim=True)
    return codes.byte(), error
