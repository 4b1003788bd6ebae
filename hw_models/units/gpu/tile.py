"""GPU kernel times from a data sheet, by tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.description import Fields
from moe_cosim.hw_models.formats import BF16, WeightFormat
from moe_cosim.hw_models.shapes import AttentionShape, ExpertShape
from moe_cosim.hw_models.units.base import LONGEST_PS
from moe_cosim.hw_models.units.described import DescribedModel, unit_models
from moe_cosim.hw_models.units.gpu.attention import attention_s
from moe_cosim.hw_models.units.gpu.dense import dense_s
from moe_cosim.hw_models.units.gpu.experts import fused_s
from moe_cosim.hw_models.units.gpu.figures import OPERAND_BYTES, GpuFigures
from moe_cosim.hw_models.units.gpu.fits import KernelFit, architectures, kernel_kind, read_fit
from moe_cosim.hw_models.units.gpu.grouped import grouped
from moe_cosim.hw_models.units.gpu.tiles import Floats

FIELDS = ("kind", "architecture", "multiprocessors", "rates", "memory_rate", "fit")


@unit_models.register("tile-gpu")
@dataclass(frozen=True)
class TileGpu(DescribedModel):
    """Whole kernels, the reading of their operands from the GPU's own memory included.

    Products are cut into tiles that multiprocessors take in waves (`tiles`); a fused MoE kernel has the tiles of all
    its experts (`experts`). What data sheets do not say, a `KernelFit` does: constants of a framework's kernels on
    an architecture, fitted to measured kernels, with their errors on kernels left out beside them.
    """

    summary: ClassVar[str] = "a GPU by its data sheet: tiles in waves over multiprocessors, fitted per framework"

    figures: GpuFigures
    fit: KernelFit
    launch_ps: int = field(default=0, init=False)
    """Nothing: each product and each attention kernel has its own start."""
    expert_launch_ps: int = field(init=False)
    """The start of the quickest fused kernel; what others take beyond it is in their own time."""

    def __post_init__(self) -> None:
        least_us = min(each.start_us for each in self.fit.experts.values())
        object.__setattr__(self, "expert_launch_ps", round(least_us * 1e6))

    def computes_as(self, weights: WeightFormat) -> str:
        return self.figures.operand(weights)

    def expert_ps(self, tokens: ArrayLike, shape: ExpertShape, weights: WeightFormat) -> NDArray[np.int64]:
        rows = np.asarray(tokens, dtype=np.int64)
        alone = rows.ravel()
        which = np.zeros(len(alone), np.int64)
        return self.experts_ps(alone, np.arange(len(alone)), shape, (weights,), which).reshape(rows.shape)

    def experts_ps(
        self,
        tokens: NDArray[np.int64],
        kernel: NDArray[np.int64],
        shape: ExpertShape,
        formats: Sequence[WeightFormat],
        format_index: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Experts of one kernel in two formats run one format after the other. All arrays are [rows]."""
        times = np.zeros(len(tokens), np.int64)
        for index, weights in enumerate(formats):
            rows, first = grouped(kernel, format_index, index)
            if len(rows):
                own = tokens[rows].astype(np.float64)
                times[rows] = picoseconds(self.fused_s(own, first, shape, weights))
        return times

    def fused_s(self, tokens: Floats, first: NDArray[np.int64], shape: ExpertShape, weights: WeightFormat) -> Floats:
        """[n] seconds of each expert's share of its kernel, without what `expert_launch_ps` has of its start."""
        operand = self.figures.operand(weights)
        constants = self.fit.of_experts(kernel_kind(weights, operand))
        per_weight = weights.expert_bytes(shape) / shape.weights
        times = fused_s(
            tokens, first, shape, per_weight, OPERAND_BYTES[operand], constants, self.figures.rates(operand)
        )
        later = constants.start_us * 1e-6 - self.expert_launch_ps * 1e-12
        rows = np.maximum(np.add.reduceat(tokens, first), 1.0)
        return times + tokens * np.repeat(later / rows, np.diff(np.append(first, len(tokens))))

    def dense_ps(
        self, rows: ArrayLike, inner: ArrayLike, columns: ArrayLike, weights: WeightFormat = BF16
    ) -> NDArray[np.int64]:
        m, k, n = np.broadcast_arrays(*(np.asarray(each, dtype=np.float64) for each in (rows, inner, columns)))
        return picoseconds(self.dense_s(m, k, n, weights))

    def dense_s(self, rows: Floats, inner: Floats, columns: Floats, weights: WeightFormat) -> Floats:
        """Seconds of products of `rows` x `inner` with weights `inner` x `columns`; arguments broadcast."""
        operand = self.figures.operand(weights)
        constants = self.fit.of_products(kernel_kind(weights, operand))
        per_weight, rates = weights.bits_per_weight / 8.0, self.figures.rates(operand)
        return dense_s(rows, inner, columns, per_weight, OPERAND_BYTES[operand], constants, rates)

    def attention_ps(
        self, sequences: ArrayLike, queries: ArrayLike, keys: ArrayLike, shape: AttentionShape
    ) -> NDArray[np.int64]:
        b, q, k = np.broadcast_arrays(*(np.asarray(each, dtype=np.float64) for each in (sequences, queries, keys)))
        return picoseconds(self.attention_s(b, q, k, shape))

    def attention_s(self, sequences: Floats, queries: Floats, keys: Floats, shape: AttentionShape) -> Floats:
        """Seconds of one attention kernel, of decode or prefill by its `queries`; arguments of one shape."""
        kinds = ("latent",) * 2 if shape.latent else ("decode", "prefill")
        one, many = (self.fit.of_attention(kind) for kind in kinds)
        rates = self.figures.rates("bf16")
        decode = attention_s(sequences, queries, keys, shape, one, rates)
        return np.where(queries > 1, attention_s(sequences, queries, keys, shape, many, rates), decode)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        fields.only(*FIELDS)
        return cls(GpuFigures.read(fields), kernel_fit(fields))


def kernel_fit(fields: Fields) -> KernelFit:
    """What the fields ``fit`` and ``architecture`` name."""
    path = catalog.find(fields.text("fit"), "kernel-fit", *fields.place("fit"))
    tree = fields.reading.read(path, "kernel-fit")
    return read_fit(tree, fields.word("architecture", architectures(tree)), path)


def picoseconds(seconds: Floats) -> NDArray[np.int64]:
    """Rounded up, and at most `LONGEST_PS`; in the shape of `seconds`."""
    return np.ceil(np.minimum(seconds * 1e12, LONGEST_PS)).astype(np.int64)
