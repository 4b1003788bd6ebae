"""What every method of quantizing a weight matrix takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.formats import WeightFormat

if TYPE_CHECKING:
    from torch import Tensor


class QuantizedWeight(ABC):
    """A matrix [rows, columns] at fewer bits."""

    format: WeightFormat
    rows: int
    columns: int

    @abstractmethod
    def dequantize(self) -> Tensor:
        """[rows, columns] float32: what a kernel multiplies."""

    @abstractmethod
    def packed(self) -> bytes:
        """As stored: as many bytes as `format` says of such a matrix."""

    @property
    def bytes_per_weight(self) -> float:
        """With scales and zero points."""
        return self.format.matrix_bytes(self.rows, self.columns) / (self.rows * self.columns)


class Quantizer(ABC):
    """One method at one width.

    Contract: equal input gives equal bytes; what is dequantized depends on what is packed alone.
    """

    summary: ClassVar[str]
    widths: ClassVar[tuple[float, ...]]
    needs_hessian: ClassVar[bool] = False

    @abstractmethod
    def quantize(self, weight: Tensor, hessian: Tensor | None = None, where: object = "weight") -> QuantizedWeight:
        """`weight` [out, in] of any floating type; `hessian` [in, in], the sum of x x^T over inputs x, for the methods
        that weigh errors by it. Raises `InputError` calling the matrix `where` for weights that are not finite."""


def finite_matrix(weight: Tensor, where: object) -> Tensor:
    """`weight` [out, in] as float32. Raises `InputError` for another shape or type, and for values not finite."""
    if weight.ndim != 2 or not weight.is_floating_point() or 0 in weight.shape:
        found = Plain(f"{str(weight.dtype).removeprefix('torch.')} {list(weight.shape)}")
        raise InputError(where, "weight", found, "a matrix [out, in] of floating point")
    matrix = weight.detach().float()
    if not bool(matrix.isfinite().all()):
        raise InputError(where, "weight", Plain("a value that is not finite"), "finite weights")
    return matrix
