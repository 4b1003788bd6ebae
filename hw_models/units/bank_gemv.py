"""Arithmetic beside the banks of a DRAM: a product is one vector after the other, each past all rows it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.hw_models.description import Fields
from moe_cosim.hw_models.formats import BF16, WeightFormat
from moe_cosim.hw_models.shapes import AttentionShape, ExpertShape
from moe_cosim.hw_models.units.base import LONGEST_PS
from moe_cosim.hw_models.units.described import DescribedModel, unit_models

COLUMN_BYTES: Final = 32
"""A burst of a pseudo-channel of HBM3 (JESD238)."""
PS_PER_S: Final = 1e12
_VALUE_BYTES: Final = 2


@unit_models.register("bank-gemv")
@dataclass(frozen=True)
class BankGemv(DescribedModel):
    """`banks` of `channels` that all work on one product of a vector with a matrix, spread evenly over them.

    First the vector goes to every channel, over the part of `port_rate_bytes_per_s` that a channel has. Then each bank
    reads its part of the matrix column by column (`column_ps` each) and multiplies at that pace; a row of `row_bytes`
    is closed and the next opened in `row_gap_ps`. Refreshes take `refresh_share` of all time. Several vectors go one
    after the other (Sieve, arXiv 2605.11277, sections 5.1 and 6.2; results are read back in no time).
    """

    summary: ClassVar[str] = "multipliers beside DRAM banks: one vector after the other past all rows of a matrix"

    banks: int
    channels: int
    row_bytes: int
    column_ps: int
    row_gap_ps: int
    refresh_share: float
    port_rate_bytes_per_s: float
    launch_ps: int
    expert_launch_ps: int

    def expert_ps(self, tokens: ArrayLike, shape: ExpertShape, weights: WeightFormat) -> NDArray[np.int64]:
        """The vector into the expert is sent once for all matrices that take it."""
        into, out_of = (
            self._bank_s(float(shape.hidden) * shape.intermediate * weights.bits_per_weight / 8) for _ in range(2)
        )
        vectors = self._vector_s(shape.hidden) + self._vector_s(shape.intermediate)
        return self._picoseconds(np.asarray(tokens, np.float64) * (vectors + (shape.matrices - 1) * into + out_of))

    def dense_ps(
        self, rows: ArrayLike, inner: ArrayLike, columns: ArrayLike, weights: WeightFormat = BF16
    ) -> NDArray[np.int64]:
        m, k, n = (np.asarray(size, dtype=np.float64) for size in (rows, inner, columns))
        return self._picoseconds(m * (self._vector_s(k) + self._bank_s(k * n * weights.bits_per_weight / 8)))

    def attention_ps(
        self, sequences: ArrayLike, queries: ArrayLike, keys: ArrayLike, shape: AttentionShape
    ) -> NDArray[np.int64]:
        """Sequences lie in different channels and run side by side; heads that share keys read them again."""
        pairs = np.asarray(sequences, np.float64) * np.asarray(queries, np.float64)
        read = np.asarray(keys, np.float64) * shape.products_per_pair * _VALUE_BYTES
        return self._picoseconds(np.asarray(self._bank_s(pairs * read)))

    def peak_s(self, tokens: ArrayLike, shape: ExpertShape, weights: WeightFormat) -> NDArray[np.float64]:
        """A roofline's time of one expert: all columns at the pace of the multipliers, and nothing else."""
        pace = self.banks * COLUMN_BYTES / (self.column_ps / PS_PER_S)
        return np.asarray(np.asarray(tokens, np.float64) * weights.expert_bytes(shape) / pace)

    def _vector_s(self, values: ArrayLike) -> NDArray[np.float64]:
        """The same values to every channel."""
        return np.asarray(np.asarray(values) * _VALUE_BYTES * self.channels / self.port_rate_bytes_per_s)

    def _bank_s(self, size_bytes: ArrayLike) -> NDArray[np.float64]:
        """So many bytes, evenly over all banks: whole columns, whole rows."""
        each = np.asarray(size_bytes) / self.banks
        picoseconds = np.ceil(each / COLUMN_BYTES) * self.column_ps + np.ceil(each / self.row_bytes) * self.row_gap_ps
        return np.asarray(picoseconds / PS_PER_S)

    def _picoseconds(self, seconds: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.ceil(np.minimum(seconds / (1 - self.refresh_share) * PS_PER_S, LONGEST_PS)).astype(np.int64)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        names = ("banks", "channels", "row_bytes", "column", "row_gap", "refresh_share", "port_rate", "launch")
        fields.only("kind", *names)
        launch_ps = fields.time_ps("launch")
        return cls(
            fields.whole("banks"),
            fields.whole("channels"),
            fields.whole("row_bytes", "bytes"),
            fields.time_ps("column"),
            fields.time_ps("row_gap"),
            fields.finite("refresh_share", "number"),
            fields.positive("port_rate", "bytes/s"),
            launch_ps,
            launch_ps,
        )
