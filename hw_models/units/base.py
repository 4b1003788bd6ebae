"""What every unit model answers: how long a kernel takes when nothing else is going on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.assumptions import Assumption
from moe_cosim.hw_models.formats import BF16, WeightFormat
from moe_cosim.hw_models.shapes import AttentionShape, ExpertShape

LONGEST_PS = 2.0**62
"""Times are cut off here, where int64 ends; engines refuse them (and anything beyond days)."""


class UnitModel(ABC):
    """Kernel times of one unit, decided when lowering, so that all engines agree on them.

    A time may be of the arithmetic alone, or of the whole kernel with the reading of its operands from the unit's
    own memory (models fitted to measured kernels). An engine moves the traffic too and takes what is longer: the
    kernel owns what it loses when it runs alone, the memory what it loses to others. So a memory's achieved share
    is at least what kernels reach. Arguments broadcast; results are int64 ps of the broadcast shape.
    """

    launch_ps: int
    """Fixed cost before a dense kernel's traffic starts."""
    expert_launch_ps: int
    """The same for the experts of one layer, which a unit runs as one fused group of kernels."""

    def computes_as(self, weights: WeightFormat) -> str:
        """The operand type in which products with such weights are computed."""
        return BF16.multiplied_as[0]

    def beyond_measurements(self, shape: ExpertShape, weights: WeightFormat) -> Assumption | None:
        """What a model that rests on measured kernels assumes of such experts, which were not among them."""
        return None

    def with_memory_shares(self, shares: Mapping[str, float]) -> UnitModel:
        """The same unit running kernels that reach these shares of its memory's peak, by NUMA mode; itself where that
        is nothing to it."""
        return self

    @abstractmethod
    def expert_ps(self, tokens: ArrayLike, shape: ExpertShape, weights: WeightFormat) -> NDArray[np.int64]:
        """Least time of one expert's kernel over `tokens` rows."""

    def experts_ps(
        self,
        tokens: NDArray[np.int64],
        kernel: NDArray[np.int64],
        shape: ExpertShape,
        formats: Sequence[WeightFormat],
        format_index: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """[n] each expert's share of the time of the kernel that it is part of.

        `tokens` [n]; rows of one fused kernel follow each other and have the same `kernel` [n]; `format_index` [n]
        into `formats`. Where experts cost what they cost alone, the kernel takes their sum.
        """
        seen = np.zeros(int(tokens.max(initial=0)) + 1, np.int64)
        seen[tokens] = 1
        counts, place = np.flatnonzero(seen), (np.cumsum(seen) - 1)[tokens]
        return np.stack([self.expert_ps(counts, shape, each) for each in formats])[format_index, place]

    @abstractmethod
    def dense_ps(
        self, rows: ArrayLike, inner: ArrayLike, columns: ArrayLike, weights: WeightFormat = BF16
    ) -> NDArray[np.int64]:
        """Least time of a matrix product [rows, inner] x [inner, columns], the second of them `weights`."""

    def attention_ps(
        self,
        sequences: ArrayLike,
        queries: ArrayLike,
        keys: ArrayLike,
        shape: AttentionShape,
    ) -> NDArray[np.int64]:
        """Least time in which `queries` tokens of each of `sequences` sequences attend to `keys` keys each
        (16-bit keys and values; their mean number where not all see as many)."""
        pairs = np.asarray(sequences) * np.asarray(queries)
        return self.dense_ps(pairs, keys, shape.products_per_pair)
