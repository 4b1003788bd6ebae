"""Errors of `measured-gpu` on kernels of its own tables that are left out of them: every second token count.

    python benchmarks/kernel_fits/left_out.py DEVICE FRAMEWORK VERSION TABLES

DEVICE is of the catalogue, TABLES the tables' name of it. Needs the extra `measured`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from fit import LEAST_HEADS, said
from tables import LEAST_INTERMEDIATE, OTHER_ROUTING

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.description import Fields, Reading
from moe_cosim.hw_models.formats import find_format
from moe_cosim.hw_models.merge import Places
from moe_cosim.hw_models.shapes import AttentionShape, ExpertShape
from moe_cosim.hw_models.units.fused_moe import kernel_time_ps
from moe_cosim.hw_models.units.gpu.measured import MeasuredGpu
from moe_cosim.hw_models.units.gpu.tables import DTYPES, Columns, MeasuredTables
from moe_cosim.hw_models.units.gpu.tile import TileGpu

MOST = 4000
"""Rows of a kind that are predicted."""


@dataclass(frozen=True)
class Half(MeasuredTables):
    """The tables without every second size, or those alone."""

    left_out: bool = False

    def experts(self, dtype: str) -> Columns:
        return self._half(super().experts(dtype), "tokens")

    def products(self, dtype: str) -> Columns:
        return self._half(super().products(dtype), "rows")

    def attention(self, kind: str) -> Columns:
        return self._half(super().attention(kind), "queries" if kind == "prefill" else "keys")

    def _half(self, found: Columns, size: str) -> Columns:
        place = np.searchsorted(np.unique(found[size]), found[size])
        kept = (place % 2 == 1) == self.left_out
        return {name: column[kept] for name, column in found.items()}


def described(device: str) -> TileGpu:
    node = catalog.read(catalog.find(device, "device"), "device")["units"]["sm"]["model"]
    shared, path = catalog.shared_assumptions()
    return TileGpu.read(Fields(node, Reading(Assumptions(), shared, str(path)), Places(device)))


def some(found: Columns) -> Columns:
    step = max(len(found["seconds"]) // MOST, 1)
    return {name: column[::step] for name, column in found.items()}


def main(device: str, *names: str) -> None:
    tile = described(device)
    gpu, left = MeasuredGpu(tile, Half(*names)), Half(*names, left_out=True)
    for dtype in sorted(set(DTYPES.values())):
        weights = find_format(next(name for name, theirs in DTYPES.items() if theirs == dtype))
        rows = some(left.experts(dtype))
        errors: dict[bool, list[float]] = {True: [], False: []}
        for t, k, e, h, i, g, s in zip(*(rows[name].tolist() for name in rows), strict=True):
            cold = s * gpu.tile.figures.bytes_per_s >= min(e, t * k) * g * h * i * weights.bits_per_weight / 8
            if i >= LEAST_INTERMEDIATE and cold and (h, k, e) not in OTHER_ROUTING:
                shape = ExpertShape(int(h), int(i), int(g))
                for measured in errors:
                    unit = gpu if measured else tile
                    ps = kernel_time_ps(unit, int(t), int(k), int(e), shape, weights)
                    errors[measured].append(ps * 1e-12 / s - 1)
        if errors[True]:
            met, by_tiles = (said(np.array(errors[measured])) for measured in (True, False))
            print(f"experts {dtype} {len(errors[True])}: {met} (tile {by_tiles})")
        rows = some(left.products(dtype))
        if len(rows["seconds"]):
            seconds = np.array(
                [
                    int(gpu.dense_ps(m, k, n, weights)) * 1e-12
                    for m, k, n in zip(rows["rows"], rows["inner"], rows["columns"], strict=True)
                ]
            )
            print(f"products {dtype} {len(seconds)}: {said(seconds / rows['seconds'] - 1)}")
    for kind in ("prefill", "decode", "latent"):
        rows = left.attention(kind)
        rows = some({name: column[rows["heads"] >= LEAST_HEADS] for name, column in rows.items()})
        if len(rows["seconds"]):
            seconds = []
            names = ("sequences", "queries", "keys", "heads", "kv_heads", "key_dim")
            for b, q, k, heads, kv_heads, dim in zip(*(rows[name].tolist() for name in names), strict=True):
                latent = kind == "latent"
                shape = AttentionShape(int(heads), int(kv_heads), int(dim), 512 if latent else int(dim), latent)
                seconds.append(int(gpu.attention_ps(b, q, k, shape)) * 1e-12)
            print(f"attention {kind} {len(seconds)}: {said(np.array(seconds) / rows['seconds'] - 1)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
