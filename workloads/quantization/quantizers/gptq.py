"""GPTQ: column after column, each rounded where the error of those before it is best made up for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.quantization.quantizers.grouped import GroupedWeight, centre
from moe_cosim.workloads.quantization.quantizers.quantizer import Quantizer, finite_matrix
from moe_cosim.workloads.quantization.quantizers.rtn import Rtn

if TYPE_CHECKING:
    from torch import Tensor

DAMPING: Final = 0.01
"""Of the Hessian's mean diagonal, added to it (arXiv 2210.17323, 3.3, step 3)."""
_TRIES: Final = 4
"""Times that damping grows tenfold before a Hessian is refused."""
_BLOCK: Final = 128
"""Columns between two products of matrices (arXiv 2210.17323, 3.3, step 2)."""


@dataclass(frozen=True)
class Gptq(Quantizer):
    """GPTQ (arXiv 2210.17323) on the grid of round to nearest, columns of the largest diagonal first.

    Written as what it is equal to (arXiv 2507.18553, theorem 4): with H = R R^T, R upper triangular, the error d of the
    columns before j moves the target of column j to w_j + sum_i<j d_i R_ij / R_jj. That takes one Cholesky factor,
    where the inverse takes three. The grid is that of the weights as given ("static groups"), so the order of columns
    changes nothing that is stored.
    """

    bits: int
    group_size: int = 128
    zero_point: bool = True

    summary = "error-compensated rounding by second-order information (arXiv 2210.17323)"
    widths = Rtn.widths
    needs_hessian = True

    def quantize(self, weight: Tensor, hessian: Tensor | None = None, where: object = "weight") -> GroupedWeight:
        import torch

        matrix = finite_matrix(weight, where)
        method = Rtn(self.bits, self.group_size, self.zero_point)
        grid = method.grid(matrix, where)
        order, factor = _factor(hessian, matrix.shape[1], where)
        scales = grid.scales.float().T.contiguous()
        zeros = torch.full_like(scales, centre(self.bits)) if grid.zeros is None else grid.zeros.float().T.contiguous()
        groups = (order // self.group_size).tolist()
        columns = matrix.T[order]
        errors = torch.empty_like(columns)
        codes = torch.empty_like(columns, dtype=torch.uint8)
        diagonal = factor.diagonal()
        for start in range(0, len(columns), _BLOCK):
            end = min(start + _BLOCK, len(columns))
            targets = columns[start:end] + (factor[:start, start:end].T @ errors[:start]) / diagonal[start:end, None]
            within = factor[start:end, start:end] / diagonal[None, start:end]
            for column in range(end - start):
                at = start + column
                target = targets[column] + within[:column, column] @ errors[start:at]
                scale, zero = scales[groups[at]], zeros[groups[at]]
                if self.bits == 1:
                    code = (target >= 0).float()
                else:
                    code = (target / scale).round_().add_(zero).clamp_(0, 2**self.bits - 1)
                codes[at] = code
                errors[at] = columns[at] - (code - zero) * scale
        placed = torch.empty_like(codes)
        placed[order] = codes
        return method.on_grid(placed.T.contiguous(), grid)


def _factor(hessian: Tensor | None, columns: int, where: object) -> tuple[Tensor, Tensor]:
    """The order of columns, and R [columns, columns] of H in that order. Raises `InputError` for what is no Hessian."""
    import torch

    allowed = f"sums of x x^T [{columns}, {columns}] over inputs"
    if hessian is None or tuple(hessian.shape) != (columns, columns):
        found = Plain("none" if hessian is None else str(list(hessian.shape)))
        raise InputError(where, "hessian", found, allowed)
    diagonal = hessian.diagonal().float()
    if not bool(diagonal.isfinite().all()) or float(diagonal.min()) < 0:
        raise InputError(where, "hessian", Plain("a diagonal that is negative or not finite"), allowed)
    unused = diagonal == 0  # inputs that were always 0: their weights are rounded, and matter to nobody
    damping = DAMPING * float(diagonal.mean()) or 1.0
    order = torch.argsort(diagonal, descending=True, stable=True)
    backwards = order.flip(0)
    for _ in range(_TRIES):
        damped = hessian[backwards[:, None], backwards].float()
        damped.diagonal().add_(damping + unused[backwards] * damping)
        lower, failed = torch.linalg.cholesky_ex(damped)
        del damped
        if not int(failed) and bool(lower.diagonal().isfinite().all()):
            return order, lower.flip(0, 1)
        damping *= 10
    raise InputError(where, "hessian", Plain("a matrix that is not positive definite"), allowed)
