"""CPU kernel times: vectors for few tokens per expert, matrix tiles for many, and the reading of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.hw_models.description import Fields
from moe_cosim.hw_models.formats import BF16, WeightFormat
from moe_cosim.hw_models.shapes import AttentionShape, ExpertShape
from moe_cosim.hw_models.units.base import LONGEST_PS
from moe_cosim.hw_models.units.described import DescribedModel, unit_models
from moe_cosim.hw_models.units.isa import MatrixIsa, VectorIsa
from moe_cosim.hw_models.units.sockets import Sockets


@unit_models.register("cpu-kernels")
@dataclass(frozen=True)
class CpuKernels(DescribedModel):
    """The longer of arithmetic and of streaming the weights once, as kernels on all cores that run alone do.

    - Arithmetic: W weights take W / (cores x clock) times what a weight costs a core in the kernels of its
      instruction set: `VectorIsa` for few rows, `MatrixIsa`, where there is one for the format, above its threshold.
      KTransformers switches so (SOSP 2025; doc/en/AMX.md of kvcache-ai/ktransformers): a tile of 16 rows is mostly
      padding with few.
    - Streaming: stored bytes over `memory_share` of the peak of the channels. The share is the kernels' own, and
      what differs between software stacks (`with_memory_shares`); what they lose to others is the memory's.

    Cores are those of the sockets that work, and streaming has the limits of `Sockets`.
    """

    summary: ClassVar[str] = "a CPU's cores: vectors, matrix tiles, unpacking of formats, sockets"

    cores: int
    """Of one socket."""
    clock_hz: float
    vectors: VectorIsa
    tiles: MatrixIsa | None
    memory_bytes_per_s: float
    """Peak of one socket's channels."""
    memory_share: float
    sockets: Sockets
    launch_ps: int
    expert_launch_ps: int

    def with_memory_shares(self, shares: Mapping[str, float]) -> Self:
        share = shares.get(self.sockets.mode)
        return self if share is None else replace(self, memory_share=share)

    def computes_as(self, weights: WeightFormat) -> str:
        """Of many rows."""
        return (self._tiles_for(weights) or self.vectors).computes_as(weights)

    def expert_ps(self, tokens: ArrayLike, shape: ExpertShape, weights: WeightFormat) -> NDArray[np.int64]:
        rows = np.asarray(tokens, dtype=np.float64)
        seconds = shape.weights * self._seconds_per_weight(rows, weights)
        return _picoseconds(np.maximum(seconds, self._reading_s(rows, weights.expert_bytes(shape))))

    def dense_ps(
        self, rows: ArrayLike, inner: ArrayLike, columns: ArrayLike, weights: WeightFormat = BF16
    ) -> NDArray[np.int64]:
        m = np.asarray(rows, dtype=np.float64)
        count = np.asarray(inner, dtype=np.float64) * np.asarray(columns, dtype=np.float64)
        reading_s = self._reading_s(m, count * weights.bits_per_weight / 8)
        return _picoseconds(np.maximum(count * self._seconds_per_weight(m, weights), reading_s))

    def attention_ps(
        self, sequences: ArrayLike, queries: ArrayLike, keys: ArrayLike, shape: AttentionShape
    ) -> NDArray[np.int64]:
        """The products alone, which share what is read among the heads of a group: the engine moves that."""
        pairs = np.asarray(sequences, dtype=np.float64) * np.asarray(queries, dtype=np.float64)
        products = pairs * np.asarray(keys, dtype=np.float64) * shape.products_per_pair
        return _picoseconds(products * 2.0 / (self.vectors.op_per_cycle["bf16"] * self._cycles_per_s))

    @property
    def _cycles_per_s(self) -> float:
        return self.sockets.at_work * self.cores * self.clock_hz

    def _tiles_for(self, weights: WeightFormat) -> MatrixIsa | None:
        return self.tiles if self.tiles is not None and weights.packing in self.tiles.packings else None

    def _seconds_per_weight(self, rows: NDArray[np.float64], weights: WeightFormat) -> NDArray[np.float64]:
        cycles, tiles = self.vectors.cycles_per_weight(rows, weights), self._tiles_for(weights)
        if tiles is not None:
            cycles = np.where(rows > tiles.above_rows, tiles.cycles_per_weight(rows, weights), cycles)
        return cycles / self._cycles_per_s

    def _reading_s(self, rows: NDArray[np.float64], stored_bytes: float | NDArray[np.float64]) -> NDArray[np.float64]:
        rate = self.sockets.read_bytes_per_s(self.memory_share * self.memory_bytes_per_s)
        return np.where(rows > 0, stored_bytes / rate, 0.0)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        fields.only(
            "kind",
            "cores",
            "clock",
            "vector_isa",
            "memory_rate",
            "memory_share",
            "launch",
            "expert_launch",
            optional=("matrix_isa", "numa"),
        )
        return cls(
            fields.whole("cores"),
            fields.positive("clock", "Hz"),
            VectorIsa.read(fields.described("vector_isa", "isa")),
            MatrixIsa.read(fields.described("matrix_isa", "isa")) if "matrix_isa" in fields else None,
            fields.finite("memory_rate", "bytes/s"),
            fields.share("memory_share"),
            Sockets.read(fields.child("numa")) if "numa" in fields else Sockets(),
            fields.time_ps("launch"),
            fields.time_ps("expert_launch"),
        )


def _picoseconds(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.ceil(np.minimum(seconds * 1e12, LONGEST_PS)).astype(np.int64)
