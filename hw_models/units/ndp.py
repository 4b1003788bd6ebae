"""NDP kernel times: systolic arrays beside the memory, by the SCALE-Sim analytical model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.hw_models.description import Fields
from moe_cosim.hw_models.formats import BF16, WeightFormat
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.hw_models.units.base import LONGEST_PS
from moe_cosim.hw_models.units.described import DescribedModel, unit_models

DATAFLOWS: Final = ("weight-stationary", "output-stationary", "ideal")
BIT_SCALINGS: Final = ("linear", "none")
_WIDE_BITS = 16


@unit_models.register("systolic-arrays")
@dataclass(frozen=True)
class SystolicArrays(DescribedModel):
    """`arrays` systolic arrays of `rows` x `columns` multipliers that share every matrix product.

    A fold of an array takes 2·S_R + S_C + T − 2 cycles, and a product needs
    ceil(D_R / S_R)·ceil(D_C / S_C) folds (Samajdar et al., "A systematic methodology for
    characterizing scalability of DNN accelerators using SCALE-Sim", ISPASS 2020), for a product of
    M x K inputs with K x N weights:

    - ``weight-stationary``: D_R = K, D_C = N, T = M;
    - ``output-stationary``: D_R = M, D_C = N, T = K;
    - ``ideal``: no folds; every multiplier is busy in every cycle (a lower bound).

    The folds are dealt evenly over the arrays, so the time is that of ceil(folds / arrays). With
    `bit_scaling` ``linear`` a product of b-bit weights takes b/16 of the 16-bit time (bit-serial);
    with ``none`` it takes the same.
    """

    summary: ClassVar[str] = "systolic arrays by the closed forms of SCALE-Sim"

    arrays: int
    rows: int
    columns: int
    clock_hz: float
    dataflow: str
    bit_scaling: str
    launch_ps: int
    expert_launch_ps: int

    def expert_ps(self, tokens: ArrayLike, shape: ExpertShape, weights: WeightFormat) -> NDArray[np.int64]:
        into = self._cycles(tokens, shape.hidden, shape.intermediate)
        out_of = self._cycles(tokens, shape.intermediate, shape.hidden)
        return self._picoseconds(((shape.matrices - 1) * into + out_of) * self._share_of_16_bit(weights))

    def dense_ps(
        self, rows: ArrayLike, inner: ArrayLike, columns: ArrayLike, weights: WeightFormat = BF16
    ) -> NDArray[np.int64]:
        return self._picoseconds(self._cycles(rows, inner, columns) * self._share_of_16_bit(weights))

    def computes_as(self, weights: WeightFormat) -> str:
        return f"int{weights.bits}" if self.bit_scaling == "linear" and weights.bits < _WIDE_BITS else "bf16"

    def _share_of_16_bit(self, weights: WeightFormat) -> float:
        return weights.bits / _WIDE_BITS if self.bit_scaling == "linear" else 1.0

    def _cycles(self, m: ArrayLike, k: ArrayLike, n: ArrayLike) -> NDArray[np.float64]:
        """Cycles of one product [m, k] x [k, n]; whole numbers but for ``ideal``."""
        m, k, n = (np.asarray(size, dtype=np.float64) for size in (m, k, n))
        if self.dataflow == "ideal":
            return np.asarray(m * k * n / (self.arrays * self.rows * self.columns))
        down, through = (k, m) if self.dataflow == "weight-stationary" else (m, k)
        folds = np.ceil(down / self.rows) * np.ceil(n / self.columns)
        fold_cycles = 2 * self.rows + self.columns + through - 2
        return np.where(m > 0, np.ceil(folds / self.arrays) * fold_cycles, 0.0)

    def _picoseconds(self, cycles: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.ceil(np.minimum(cycles * (1e12 / self.clock_hz), LONGEST_PS)).astype(np.int64)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        fields.only("kind", "arrays", "rows", "columns", "clock", "dataflow", "bit_scaling", "launch")
        launch_ps = fields.time_ps("launch")
        return cls(
            fields.whole("arrays"),
            fields.whole("rows"),
            fields.whole("columns"),
            fields.positive("clock", "Hz"),
            fields.choice("dataflow", DATAFLOWS),
            fields.choice("bit_scaling", BIT_SCALINGS),
            launch_ps,
            launch_ps,
        )
