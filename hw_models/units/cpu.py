"""CPU kernel times: AMX tiles for many tokens per expert, AVX-512 for few."""

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


@unit_models.register("amx-cpu")
@dataclass(frozen=True)
class AmxCpu(DescribedModel):
    """A product of m rows runs at the AVX-512 rate for m <= `vector_tokens`, else at the AMX rate.

    KTransformers' kernels (SOSP 2025; doc/en/AMX.md of kvcache-ai/ktransformers) switch so: an AMX
    tile has 16 rows, and mostly padding with few. Between, AMX works on whole tiles of `tile_rows`
    rows. Weights of 8 bits or fewer run at the INT8 rate of the tiles (4-bit weights are unpacked to
    8); vectors always compute 16 bits wide. Below these times lies the traffic, which the engine adds.
    """

    summary: ClassVar[str] = "a CPU with AVX-512 for few rows and AMX tiles for more"

    wide_op_per_s: float
    """AMX, 16-bit weights."""
    narrow_op_per_s: float
    """AMX, weights of 8 bits or fewer."""
    vector_op_per_s: float
    """AVX-512."""
    vector_tokens: int
    tile_rows: int
    launch_ps: int
    expert_launch_ps: int

    def expert_ps(self, tokens: ArrayLike, shape: ExpertShape, weights: WeightFormat) -> NDArray[np.int64]:
        rows = np.asarray(tokens, dtype=np.float64)
        return self._picoseconds(rows, float(shape.weights), weights)

    def dense_ps(
        self, rows: ArrayLike, inner: ArrayLike, columns: ArrayLike, weights: WeightFormat = BF16
    ) -> NDArray[np.int64]:
        products = np.asarray(inner, dtype=np.float64) * np.asarray(columns, dtype=np.float64)
        return self._picoseconds(np.asarray(rows, dtype=np.float64), products, weights)

    def computes_as(self, weights: WeightFormat) -> str:
        return "int8" if weights.bits < _WIDE_BITS else "bf16"

    def _picoseconds(
        self, rows: NDArray[np.float64], weights: float | NDArray[np.float64], stored: WeightFormat
    ) -> NDArray[np.int64]:
        rate = self.narrow_op_per_s if stored.bits < _WIDE_BITS else self.wide_op_per_s
        tiles = np.ceil(rows / self.tile_rows) * self.tile_rows / rate
        seconds_per_weight = 2.0 * np.where(rows > self.vector_tokens, tiles, rows / self.vector_op_per_s)
        return np.ceil(np.minimum(weights * seconds_per_weight * 1e12, LONGEST_PS)).astype(np.int64)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        fields.only(
            "kind", "amx_rate", "amx_narrow_rate", "avx_rate", "avx_tokens", "tile_rows", "launch", "expert_launch"
        )
        return cls(
            fields.positive("amx_rate", "op/s"),
            fields.positive("amx_narrow_rate", "op/s"),
            fields.positive("avx_rate", "op/s"),
            fields.whole("avx_tokens"),
            fields.whole("tile_rows"),
            fields.time_ps("launch"),
            fields.time_ps("expert_launch"),
        )
