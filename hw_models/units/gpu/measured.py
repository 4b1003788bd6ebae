"""GPU kernel times as measured, between and beyond the measured points by tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.assumptions import Assumption
from moe_cosim.hw_models.description import Fields
from moe_cosim.hw_models.formats import BF16, WeightFormat, find_format
from moe_cosim.hw_models.shapes import AttentionShape, ExpertShape
from moe_cosim.hw_models.units.described import DescribedModel, unit_models
from moe_cosim.hw_models.units.fused_moe import dealt
from moe_cosim.hw_models.units.gpu.figures import GpuFigures
from moe_cosim.hw_models.units.gpu.grouped import grouped
from moe_cosim.hw_models.units.gpu.ratios import NEAREST, Curves, curves
from moe_cosim.hw_models.units.gpu.tables import DTYPES, Columns, MeasuredTables
from moe_cosim.hw_models.units.gpu.tile import FIELDS, TileGpu, kernel_fit, picoseconds
from moe_cosim.hw_models.units.gpu.tiles import Floats

_SAME = 1e-6
"""Octaves that are no distance."""
_EXPERTS_COUNT = 0.01
"""What an octave of the number of experts counts beside one of a size: it decides between equals."""


@unit_models.register("measured-gpu")
@dataclass(frozen=True)
class MeasuredGpu(DescribedModel):
    """The tile model's time of a kernel, times measured over modelled time of the measured kernels next to it.

    So any subset of experts and any loads have a time, and a measured kernel has the measured one. Ratios are
    interpolated (`ratios`) along tokens per expert (or experts with tokens, where each has one), rows or keys, and over
    shapes. Kernels that took less than reading their weights from memory takes are left out: theirs lay in the cache.
    What a table lacks altogether, a format or a kind of kernel, is the tile model's.
    """

    summary: ClassVar[str] = "a GPU as measured (tables of the extra 'measured'), by tiles between and beyond"

    tile: TileGpu
    tables: MeasuredTables
    launch_ps: int = field(default=0, init=False)
    expert_launch_ps: int = field(default=0, init=False)
    """Nothing: it is in the shares."""
    _known: dict[tuple[str, str], Curves | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def computes_as(self, weights: WeightFormat) -> str:
        return self.tile.computes_as(weights)

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
        times = np.zeros(len(tokens), np.int64)
        for index, weights in enumerate(formats):
            rows, first = grouped(kernel, format_index, index)
            if len(rows):
                own = tokens[rows].astype(np.float64)
                times[rows] = picoseconds(self._fused_s(own, first, shape, weights))
        return times

    def dense_ps(
        self, rows: ArrayLike, inner: ArrayLike, columns: ArrayLike, weights: WeightFormat = BF16
    ) -> NDArray[np.int64]:
        m, k, n = np.broadcast_arrays(*(np.asarray(each, dtype=np.float64) for each in (rows, inner, columns)))
        seconds = self.tile.dense_s(m, k, n, weights)
        known = self._curves("products", DTYPES.get(weights.name, ""))
        if known is not None:
            for one in {*zip(k.ravel().tolist(), n.ravel().tolist(), strict=True)}:
                mine = (k == one[0]) & (n == one[1]) & (m > 0)
                if min(one) > 0 and mine.any():
                    size = np.log2(m[mine])
                    seconds[mine] *= known.at(np.log2(one).tolist(), partial(_same, size))
        return picoseconds(seconds)

    def attention_ps(
        self, sequences: ArrayLike, queries: ArrayLike, keys: ArrayLike, shape: AttentionShape
    ) -> NDArray[np.int64]:
        b, q, k = np.broadcast_arrays(*(np.asarray(each, dtype=np.float64) for each in (sequences, queries, keys)))
        seconds = self.tile.attention_s(b, q, k, shape)
        for prompt in (False, True):
            kind = "latent" if shape.latent else "prefill" if prompt else "decode"
            some = ((q > 1) == prompt) & (b * q * k > 0)
            known = self._curves("attention", kind) if some.any() else None
            if known is not None and not (prompt and shape.latent):
                for many in np.unique(b[some]):
                    mine = some & (b == many)
                    size = np.log2(q[mine] if prompt else k[mine])
                    at = np.log2([shape.heads, shape.kv_heads, shape.key_dim, many]).tolist()
                    seconds[mine] *= known.at(at, partial(_same, size))
        return picoseconds(seconds)

    def beyond_measurements(self, shape: ExpertShape, weights: WeightFormat) -> Assumption | None:
        """Experts of a shape, or in a format, that the tables do not have."""
        name, reason = f"measured-gpu-experts-{weights.name}", f"{self.tables.title}: "
        known = self._curves("experts", DTYPES.get(weights.name, ""))
        if known is None:
            return Assumption(
                name, "tile-gpu", (), reason + "no experts in this format; the tile model's time", "choice"
            )
        octaves = min(known.distance([*_expert(shape), count]) for count in np.unique(known.shapes[:, -1]))
        if octaves < _SAME:
            return None
        nearest = (
            reason + f"no experts of {shape.hidden} x {shape.intermediate}; interpolated from the {NEAREST} nearest"
        )
        return Assumption(name, f"{octaves:.2f} octaves away", (), nearest, "choice")

    def _fused_s(self, tokens: Floats, first: NDArray[np.int64], shape: ExpertShape, weights: WeightFormat) -> Floats:
        shares = self.tile.fused_s(tokens, first, shape, weights)
        sizes = np.diff(np.append(first, len(tokens)))
        total = np.maximum(np.add.reduceat(shares, first), 1e-30)
        factor = 1.0 + self.tile.expert_launch_ps * 1e-12 / total
        known = self._curves("experts", DTYPES.get(weights.name, ""))
        if known is not None:
            active = np.maximum(np.add.reduceat((tokens > 0).astype(np.float64), first), 1.0)
            load = np.log2(np.maximum(np.add.reduceat(tokens, first) / active, 1.0))

            def size(curve: int) -> Floats:
                """log2 of the choices in a balanced layer of as many tokens per expert, or as many experts."""
                count = known.shapes[curve, -1] / _EXPERTS_COUNT
                missing = np.maximum(count - np.log2(active), 0.0)
                return np.asarray(np.where(missing < load, load + count, np.log2(active)))

            experts = _EXPERTS_COUNT * np.log2(sizes.max())
            factor = factor * known.at([*_expert(shape), experts], size)
        return shares * np.repeat(factor, sizes)

    def _curves(self, op: str, kind: str) -> Curves | None:
        if (op, kind) not in self._known:
            made = {
                "experts": self._expert_curves,
                "products": self._product_curves,
                "attention": self._attention_curves,
            }
            self._known[op, kind] = made[op](kind) if kind else None
        return self._known[op, kind]

    def _expert_curves(self, dtype: str) -> Curves | None:
        found = self.tables.experts(dtype)
        weights = _format(dtype)
        seconds = np.zeros(len(found["seconds"]))
        shapes = [found[name] for name in ("hidden", "intermediate", "matrices")]
        for row, (hidden, intermediate, matrices) in enumerate(zip(*(each.tolist() for each in shapes), strict=True)):
            shape = ExpertShape(int(hidden), int(intermediate), int(matrices))
            loads = dealt(int(found["tokens"][row] * found["top_k"][row]), int(found["experts"][row]))
            shares = self.tile.fused_s(loads.astype(np.float64), np.zeros(1, np.int64), shape, weights)
            seconds[row] = shares.sum() + self.tile.expert_launch_ps * 1e-12
        active = np.minimum(found["experts"], found["tokens"] * found["top_k"])
        read = active * found["matrices"] * found["hidden"] * found["intermediate"] * weights.bits_per_weight / 8
        kept = self._cold(found, read)
        counts = 2.0 ** (_EXPERTS_COUNT * np.log2(np.maximum(found["experts"], 1)))
        every = np.stack([*(2.0**each for each in _expert_columns(found)), counts], axis=1)
        pairs = (found["tokens"] * found["top_k"]).astype(np.float64)
        return curves(every[kept], pairs[kept], (found["seconds"] / np.maximum(seconds, 1e-30))[kept])

    def _product_curves(self, dtype: str) -> Curves | None:
        found = self.tables.products(dtype)
        weights = _format(dtype)
        m, k, n = (found[name].astype(np.float64) for name in ("rows", "inner", "columns"))
        kept = self._cold(found, k * n * weights.bits_per_weight / 8)
        ratios = found["seconds"] / self.tile.dense_s(m, k, n, weights)
        return curves(np.stack([k, n], axis=1)[kept], m[kept], ratios[kept])

    def _attention_curves(self, kind: str) -> Curves | None:
        found = self.tables.attention(kind)
        shapes = np.stack([found[name] for name in ("heads", "kv_heads", "key_dim")], axis=1).astype(np.float64)
        b, q, k = (found[name].astype(np.float64) for name in ("sequences", "queries", "keys"))
        seconds = np.zeros(len(b))
        for heads, kv_heads, key_dim in np.unique(shapes, axis=0):
            latent = kind == "latent"
            shape = AttentionShape(int(heads), int(kv_heads), int(key_dim), 512 if latent else int(key_dim), latent)
            mine = (shapes == (heads, kv_heads, key_dim)).all(axis=1)
            seconds[mine] = self.tile.attention_s(b[mine], q[mine], k[mine], shape)
        every = np.concatenate([shapes, b[:, None]], axis=1)
        return curves(every, q if kind == "prefill" else k, found["seconds"] / np.maximum(seconds, 1e-30))

    def _cold(self, found: Columns, read_bytes: Floats) -> NDArray[np.bool_]:
        return np.asarray(found["seconds"] >= read_bytes / self.tile.figures.bytes_per_s)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        fields.only(*FIELDS, "tables")
        tables = fields.child("tables")
        tables.only("framework", "version", "device")
        names = (tables.text(name) for name in ("framework", "version", "device"))
        return cls(TileGpu(GpuFigures.read(fields), kernel_fit(fields)), MeasuredTables(*names))


def _expert(shape: ExpertShape) -> list[float]:
    return [float(np.log2(each)) for each in (shape.hidden, shape.intermediate, shape.matrices)]


def _expert_columns(found: Columns) -> list[Floats]:
    return [np.log2(found[name].astype(np.float64)) for name in ("hidden", "intermediate", "matrices")]


def _same(size: Floats, _: int) -> Floats:
    """Of every curve."""
    return size


def _format(dtype: str) -> WeightFormat:
    return find_format(next(name for name, theirs in DTYPES.items() if theirs == dtype))
