"""Round to nearest: the grid from a group's least and largest value, every weight to its nearest point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.formats import grouped_format
from moe_cosim.workloads.quantization.quantizers.grouped import GroupedWeight, centre, in_groups, spread
from moe_cosim.workloads.quantization.quantizers.quantizer import Quantizer, finite_matrix

if TYPE_CHECKING:
    from torch import Tensor

_SMALLEST_HALF = 2.0**-24
"""A scale is never 0."""


class Grid(NamedTuple):
    """Where the points of groups lie."""

    scales: Tensor
    """float16 [rows, groups]."""
    zeros: Tensor | None
    """uint8 [rows, groups]; None: codes are centred."""


@dataclass(frozen=True)
class Rtn(Quantizer):
    """Round to nearest.

    With a zero point the grid runs from the smaller of 0 and the least to the larger of 0 and the largest; without,
    from minus to plus the largest magnitude, in 2^bits - 1 steps (as torchao's affine primitives). 1 bit is a sign,
    times the group's mean magnitude, which has the least squared error (XNOR-Net, arXiv 1603.05279, 3.1).
    """

    bits: int
    group_size: int = 128
    zero_point: bool = True

    summary = "round to nearest"
    widths = (1, 2, 3, 4, 8)

    def quantize(self, weight: Tensor, hessian: Tensor | None = None, where: object = "weight") -> GroupedWeight:
        matrix = finite_matrix(weight, where)
        grid = self.grid(matrix, where)
        return self.on_grid(self.codes(matrix, grid), grid)

    def grid(self, matrix: Tensor, where: object = "weight") -> Grid:
        """Of float32 [rows, columns]. Raises `InputError` for weights too large for a 16-bit scale."""
        groups = in_groups(matrix, self.group_size)
        if self.bits == 1:
            counted = groups.abs().sum(dim=2)
            size = groups.shape[2]
            missing = -matrix.shape[1] % self.group_size
            if missing:
                counted[:, -1] = matrix[:, missing - size :].abs().sum(dim=1) * size / (size - missing)
            steps = 2 * counted / size
        elif self.zero_point:
            low, high = groups.amin(dim=2).clamp(max=0), groups.amax(dim=2).clamp(min=0)
            steps = (high - low) / (2**self.bits - 1)
        else:
            steps = 2 * groups.abs().amax(dim=2) / (2**self.bits - 1)
        scales = steps.clamp(min=_SMALLEST_HALF).half()
        if not bool(scales.isfinite().all()):
            raise InputError(
                where, "weight", Plain(f"{matrix.abs().max():.3g}"), "weights that a 16-bit scale can reach"
            )
        if self.bits == 1 or not self.zero_point:
            return Grid(scales, None)
        return Grid(scales, (-low / steps.clamp(min=_SMALLEST_HALF)).round().clamp(0, 2**self.bits - 1).byte())

    def codes(self, matrix: Tensor, grid: Grid) -> Tensor:
        """uint8 [rows, columns] of the points nearest to `matrix`."""
        columns = matrix.shape[1]
        if self.bits == 1:
            return (matrix >= 0).byte()
        zeros = centre(self.bits) if grid.zeros is None else spread(grid.zeros, self.group_size, columns)
        steps = (matrix * spread(grid.scales.float().reciprocal(), self.group_size, columns)).round_()
        return (steps + zeros).clamp_(0, 2**self.bits - 1).byte()

    def on_grid(self, codes: Tensor, grid: Grid) -> GroupedWeight:
        """The weight that these codes on `grid` stand for, with the zero points that the grid has."""
        zero_bits = 0 if grid.zeros is None else self.bits
        return GroupedWeight(grouped_format(self.bits, self.group_size, zero_bits), codes, grid.scales, grid.zeros)
