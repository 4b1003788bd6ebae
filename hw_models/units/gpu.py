"""GPU kernel times: tensor cores that fill up with the tokens per expert and the expert's size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.hw_models.description import Fields
from moe_cosim.hw_models.formats import BF16, WeightFormat
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.hw_models.units.base import LONGEST_PS
from moe_cosim.hw_models.units.described import DescribedModel, unit_models

_WIDE_BITS = 16


@unit_models.register("saturating-gpu")
@dataclass(frozen=True)
class SaturatingGpu(DescribedModel):
    """A matrix product of m rows runs at rate R(m) = R_max·s·m / (m + h·s·b).

    - s = intermediate / (intermediate + `half_intermediate`): small experts leave multiprocessors
      without a tile to work on, however many tokens they get.
    - h = `half_tokens`: with few rows a tile is mostly padding. The time of R(m) is a term linear in
      m plus one pass over the weights, so h shrinks with s, which leaves that pass as it is.
    - b = weight bits / 16: the pass handles the weights as they are stored. Products stay 16 bits
      wide (weight-only quantization dequantises in the kernel), so R_max does not depend on bits.

    Form and fit are this project's, on 33 measured fused-MoE kernels of an H100
    (``catalog/devices/h100-sxm.yaml`` gives the errors). Traffic is added by the engine.
    """

    summary: ClassVar[str] = "a GPU that fills up with the tokens per expert and the width of the expert"

    expert_op_per_s: float
    """R_max: what an expert of any size and any number of tokens would approach."""
    dense_op_per_s: float
    """The same for a dense product: the best one measured."""
    half_tokens: float
    half_intermediate: float
    launch_ps: int
    expert_launch_ps: int

    def expert_ps(self, tokens: ArrayLike, shape: ExpertShape, weights: WeightFormat) -> NDArray[np.int64]:
        rows = np.asarray(tokens, dtype=np.float64)
        size = shape.intermediate / (shape.intermediate + self.half_intermediate)
        stored = weights.bits / _WIDE_BITS
        row_equivalents = rows / size + np.where(rows > 0, self.half_tokens * stored, 0.0)
        return _picoseconds(2.0 * shape.weights * row_equivalents / self.expert_op_per_s)

    def dense_ps(
        self, rows: ArrayLike, inner: ArrayLike, columns: ArrayLike, weights: WeightFormat = BF16
    ) -> NDArray[np.int64]:
        m = np.asarray(rows, dtype=np.float64)
        products = np.asarray(inner, dtype=np.float64) * np.asarray(columns, dtype=np.float64)
        # The pass over the weights costs what it costs in an expert: half_tokens at R_max.
        read = self.half_tokens * weights.bits / _WIDE_BITS
        seconds_per_op = m / self.dense_op_per_s + np.where(m > 0, read / self.expert_op_per_s, 0.0)
        return _picoseconds(2.0 * products * seconds_per_op)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        fields.only("kind", "expert_rate", "dense_rate", "half_tokens", "half_intermediate", "launch", "expert_launch")
        return cls(
            fields.positive("expert_rate", "op/s"),
            fields.positive("dense_rate", "op/s"),
            fields.positive("half_tokens", "number"),
            fields.positive("half_intermediate", "number"),
            fields.time_ps("launch"),
            fields.time_ps("expert_launch"),
        )


def _picoseconds(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.ceil(np.minimum(seconds * 1e12, LONGEST_PS)).astype(np.int64)
