"""AWQ: columns that meet large inputs are scaled up before they are rounded, and down again behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.quantization.quantizers.grouped import GroupedWeight
from moe_cosim.workloads.quantization.quantizers.quantizer import QuantizedWeight, Quantizer, finite_matrix
from moe_cosim.workloads.quantization.quantizers.rtn import Rtn

if TYPE_CHECKING:
    from torch import Tensor

_STEPS: Final = 20
"""Of the exponent between 0 and 1 (arXiv 2306.00978, 3.2)."""


@dataclass(frozen=True, eq=False)
class ScaledWeight(QuantizedWeight):
    """A matrix whose columns were multiplied by `column_scales`, by which what comes before it is divided: they are
    folded into that, and take no bytes here."""

    scaled: GroupedWeight
    column_scales: Tensor
    """float32 [columns]."""

    def __post_init__(self) -> None:
        for name in ("format", "rows", "columns"):
            object.__setattr__(self, name, getattr(self.scaled, name))

    def dequantize(self) -> Tensor:
        return self.scaled.dequantize() / self.column_scales

    def packed(self) -> bytes:
        return self.scaled.packed()


@dataclass(frozen=True)
class Awq(Quantizer):
    """Activation-aware scales (arXiv 2306.00978) before round to nearest: a column's scale is the size of its inputs to
    the power that loses least, of 20 powers from 0. The size is the root mean square, which the Hessian's diagonal has,
    where the paper takes the mean magnitude; scales are chosen for each matrix alone.
    """

    bits: int
    group_size: int = 128
    zero_point: bool = True

    summary = "columns scaled by the size of their inputs, then rounded (arXiv 2306.00978)"
    widths = (2, 3, 4, 8)
    needs_hessian = True

    def quantize(self, weight: Tensor, hessian: Tensor | None = None, where: object = "weight") -> ScaledWeight:
        matrix = finite_matrix(weight, where)
        columns = matrix.shape[1]
        if hessian is None or tuple(hessian.shape) != (columns, columns):
            found = Plain("none" if hessian is None else str(list(hessian.shape)))
            raise InputError(where, "hessian", found, f"sums of x x^T [{columns}, {columns}] over inputs")
        diagonal = hessian.diagonal().float()
        sizes = (diagonal / diagonal.mean().clamp(min=1e-30)).clamp(min=1e-8).sqrt()
        best, least = None, float("inf")
        for step in range(_STEPS):
            scales = sizes.pow(step / _STEPS).clamp(min=1e-4)
            scales = scales / (scales.max() * scales.min()).sqrt()
            made = ScaledWeight(Rtn(self.bits, self.group_size, self.zero_point).quantize(matrix * scales), scales)
            off = made.dequantize() - matrix
            error = float(((off @ hessian.float()) * off).sum())
            if best is None or error < least:
                best, least = made, error
        assert best is not None
        return best
