"""Fits the constants of a file of `hw_models/catalog/kernel_fits` and prints them, with their errors.

    python benchmarks/kernel_fits/fit.py FRAMEWORK

Needs the extra `measured`. Errors are of predicted over measured time less 1: mean and 95 % quantile of the absolute
value, and the mean with its sign (bias).
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import predict
import tables
from devices import ARCHITECTURES, CACHE_BYTES, FIGURES
from kernels import FRAMEWORKS, LATENT, Framework
from least_squares import Bounds, solve
from tables import Rows

from moe_cosim.hw_models.units.gpu.attention import AttentionConstants
from moe_cosim.hw_models.units.gpu.tiles import Floats, TileConstants

TILE_BOUNDS: Bounds = {
    "start_us": (0.5, 20.0, 150.0),
    "memory_share": (0.05, 0.85, 1.0),
    "compute_share": (0.05, 0.7, 1.0),
    "activation_share": (0.1, 0.8, 4.0),
    "fill_rows": (0.5, 30.0, 1000.0),
    "fill_inner": (0.5, 100.0, 4000.0),
    "splits": (1.0, 2.0, 16.0),
    "sharpness": (1.0, 2.0, 16.0),
}
ATTENTION_BOUNDS: Bounds = {
    "memory_share": (0.05, 0.85, 1.0),
    "compute_share": (0.05, 0.6, 1.0),
    "block_us": (0.01, 1.0, 50.0),
    "draw": (1.0, 2.0, 16.0),
    "part_keys": (8.0, 256.0, 4096.0),
    "fill_keys": (0.5, 64.0, 4096.0),
    "sharpness": (1.0, 2.0, 16.0),
}
TILES = [(rows, columns) for rows in (64, 128, 256) for columns in (64, 128, 256)]
MOST_ROWS = 6000
"""Of a table of dense products, that a fit looks at: every n-th."""
LEAST_HEADS = 8
"""Fewer are shards of tensor parallelism over many GPUs."""
_QUICKEST = 0.005
"""The start of dense and attention kernels is this quantile of their times."""


@dataclass
class Fitted:
    constants: TileConstants | AttentionConstants
    rows: dict[str, Rows]
    us: Callable[[Rows, object, str], Floats]
    """Of rows of a device, by constants."""

    def errors(self, device: str, constants: object = None, rows: Rows | None = None) -> Floats:
        rows = self.rows[device] if rows is None else rows
        return self.us(rows, constants or self.constants, device) / rows.us - 1.0


def said(errors: Floats) -> str:
    far = np.abs(errors)
    return f"{100 * far.mean():.1f} % mean, {100 * np.quantile(far, 0.95):.0f} % p95, {100 * errors.mean():+.1f} % bias"


def fitted(
    rows: dict[str, Rows],
    us: Callable[[Rows, object, str], Floats],
    makes: list[Callable[[dict[str, float]], object]],
    bounds: Bounds,
    start: dict[str, float] | None = None,
    turns: int = 50,
) -> object:
    """The constants of whichever of `makes` (one a tile size) gets nearest to all rows."""

    def residuals(make: Callable[[dict[str, float]], object], x: dict[str, float]) -> Floats:
        return np.concatenate([np.log(us(each, make(x), device) / each.us) for device, each in rows.items()])

    found = [(make, *solve(bounds, partial(residuals, make), start, turns)) for make in makes]
    make, x, _ = min(found, key=lambda each: each[2])
    return make({name: float(f"{value:.3g}") for name, value in x.items()})


def tile_makes() -> list[Callable[[dict[str, float]], object]]:
    return [partial(_tile, *sizes) for sizes in TILES]


def _tile(rows: int, columns: int, x: dict[str, float], **more: float) -> TileConstants:
    return TileConstants(tile_rows=rows, tile_columns=columns, **x, **more)


def experts_of(framework: Framework, architecture: str, kind: str) -> Fitted | None:
    kernel = framework.experts[architecture].get(kind)
    if kernel is None:
        return None
    rows = {}
    for device in ARCHITECTURES[architecture]:
        try:
            found = tables.experts(device, *framework.table(device, kernel), "balanced", kernel.dtype, kernel.kernel)
        except FileNotFoundError:  # not every version was measured on every GPU
            continue
        rows[device] = predict.cold_experts(found, CACHE_BYTES[device], kernel.bytes_per_weight)

    def us(some: Rows, c: object, device: str) -> Floats:
        return predict.experts_us(some, c, FIGURES[device], kernel.operand, kernel.bytes_per_weight)

    return Fitted(fitted(rows, us, tile_makes(), TILE_BOUNDS), rows, us)


def products_of(framework: Framework, architecture: str, kind: str) -> Fitted | None:
    kernel = framework.products[architecture].get(kind)
    if kernel is None:
        return None
    rows, quickest = {}, []
    for device in ARCHITECTURES[architecture]:
        found = tables.products(device, *framework.table(device, kernel), kernel.dtype)
        quickest.append(np.quantile(found.us, _QUICKEST))
        cold = predict.cold_products(found, CACHE_BYTES[device], kernel.bytes_per_weight)
        rows[device] = cold.where(np.arange(len(cold)) % max(len(cold) // MOST_ROWS, 1) == 0)

    def us(some: Rows, c: object, device: str) -> Floats:
        return predict.products_us(some, c, FIGURES[device], kernel.operand, kernel.bytes_per_weight)

    makes = [partial(_tile, *sizes, start_us=float(f"{np.mean(quickest):.2g}")) for sizes in TILES]
    bounds = {name: bound for name, bound in TILE_BOUNDS.items() if name != "start_us"}
    return Fitted(fitted(rows, us, makes, bounds), rows, us)


def attention_of(framework: Framework, architecture: str, kind: str) -> Fitted | None:
    rows, quickest, latent = {}, [], kind == "latent"
    for device in ARCHITECTURES[architecture]:
        try:
            found = (
                tables.latent(device, *LATENT.get(device, LATENT[""]))
                if latent
                else tables.attention(device, *framework.table(device), kind)
            )
        except FileNotFoundError:
            continue
        found = found.where((found["key_dim"] != 512) & (found["heads"] >= LEAST_HEADS))
        quickest.append(np.quantile(found.us, _QUICKEST))
        rows[device] = predict.cold_attention(found, CACHE_BYTES[device], FIGURES[device], latent)
    if not rows:
        return None
    start_us = float(f"{np.mean(quickest):.2g}")

    def us(some: Rows, c: object, device: str) -> Floats:
        return predict.attention_us(some, c, FIGURES[device], latent)

    def make(most: int, x: dict[str, float]) -> AttentionConstants:
        return AttentionConstants(start_us=start_us, tile_rows=most, **x)

    makes = [partial(make, most) for most in (64, 128)]
    return Fitted(fitted(rows, us, makes, ATTENTION_BOUNDS), rows, us)


def shape_left_out(one: Fitted) -> str:
    """Every shape (all its shards and tokens) predicted by constants that have not seen it."""
    c, errors = one.constants, []
    start = {name: getattr(c, name) for name in TILE_BOUNDS}
    marks = {
        device: each["hidden"] * 10**9 + each["whole"] * 10**4 + each["experts"] for device, each in one.rows.items()
    }
    for mark in sorted(set(np.concatenate(list(marks.values())))):
        seen = {device: each.where(marks[device] != mark) for device, each in one.rows.items()}
        make = partial(_tile, c.tile_rows, c.tile_columns)
        without = fitted(seen, one.us, [make], TILE_BOUNDS, start, turns=10)
        for device, each in one.rows.items():
            left = each.where(marks[device] == mark)
            errors.append(one.errors(device, without, left))
    return said(np.concatenate(errors))


def gpu_left_out(one: Fitted) -> Iterator[str]:
    """Every GPU of the architecture predicted by constants fitted to the others."""
    c = one.constants
    for device in one.rows if len(one.rows) > 1 else ():
        seen = {name: each for name, each in one.rows.items() if name != device}
        makes = tile_makes() if isinstance(c, TileConstants) else []
        if makes:
            yield f"{device} {said(one.errors(device, fitted(seen, one.us, makes, TILE_BOUNDS)))}"


def entry(name: str, c: object, source: str) -> str:
    """Of a YAML file, in lines that are not too long."""
    values = [f"{key}: {value:g}," for key, value in vars(c).items()]
    lines = [" ".join(values[:5]), " ".join(values[5:])]
    quoted = textwrap.wrap(f'source: "{source}",', 108, subsequent_indent="  ")
    return "\n".join([f"      {name}:", "        {", *(f"          {each}" for each in lines + quoted), "        }"])


def main(framework: Framework) -> None:
    kept: dict[tuple[str, str], Fitted] = {}
    for architecture in framework.experts:
        print(f"  {architecture}:")
        for title, find, kinds in (
            ("experts", experts_of, framework.experts[architecture]),
            ("products", products_of, framework.products[architecture]),
            ("attention", attention_of, ("prefill", "decode", "latent")),
        ):
            print(f"    {title}:")
            for kind in kinds:
                one = find(framework, architecture, kind)
                if one is None:
                    continue
                errors = np.concatenate([one.errors(device) for device in one.rows])
                table = kinds[kind].table if isinstance(kinds, Mapping) else None
                other = f" ({' '.join(table)})" if table else ""
                source = f"{len(errors)} kernels of {', '.join(one.rows)}{other}: {said(errors)}"
                if title == "experts":
                    kept[architecture, kind] = one
                    source += f"; shapes left out: {shape_left_out(one)}"
                    for text in gpu_left_out(one):
                        source += f"; left out: {text}"
                print(entry(kind, one.constants, source), flush=True)
    print("# constants of one architecture on the GPUs of another (bf16 experts)")
    for (fitted_on, kind), one in kept.items():
        for (other, same), two in kept.items():
            if kind == same == "bf16" and fitted_on != other:
                errors = np.concatenate([two.errors(device, one.constants) for device in two.rows])
                print(f"# {fitted_on} on {other}: {said(errors)}")


if __name__ == "__main__":
    main(FRAMEWORKS[sys.argv[1]])
