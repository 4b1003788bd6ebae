"""From a sweep's axes to settings: products, zips and latin hypercubes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.sweep.plan.axes import MOST_VALUES, Interval, axis_values
from moe_cosim.sim.sweep.plan.sweep_file import Latin, SweepFile

Settings = dict[str, Any]


def settings_of(sweep: SweepFile, where: object) -> Iterator[Settings]:
    """The settings of every point of one variant; the last axis varies fastest.

    Raises `InputError` at once for bad axes, and for more than `MOST_VALUES` points.
    """
    factors: list[list[Settings]] = []
    for path, written in sweep.grid.items():
        factors.append([{path: value} for value in axis_values(written, where, f"grid.{path}")])
    factors += [zipped(group, where, f"zip[{index}]") for index, group in enumerate(sweep.zip)]
    if sweep.latin is not None:
        factors.append(_latin(sweep.latin, where))
    if sweep.seeds is not None:
        if sweep.seeds > MOST_VALUES:
            raise InputError(where, "seeds", sweep.seeds, f"at most {MOST_VALUES:,}")
        factors.append([{"seed": seed} for seed in range(sweep.seeds)])
    number = 1
    for factor in factors:
        number *= len(factor)
    if number > MOST_VALUES:
        raise InputError(where, "grid", Plain(f"{number:,} points"), f"at most {MOST_VALUES:,}; narrow the axes")
    return (dict(item for part in parts for item in part.items()) for parts in itertools.product(*factors))


def zipped(group: Mapping[str, Any], where: object, field: str) -> list[Settings]:
    """Axes that advance together. Raises `InputError` for axes of different lengths."""
    if not group:
        raise InputError(where, field, Plain("nothing"), "axes of one length")
    columns = {path: axis_values(written, where, f"{field}.{path}") for path, written in group.items()}
    lengths = {path: len(values) for path, values in columns.items()}
    if len(set(lengths.values())) != 1:
        found = ", ".join(f"{path}: {length}" for path, length in lengths.items())
        raise InputError(where, field, Plain(f"axes of different lengths ({found})"), "axes of one length")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _latin(latin: Latin, where: object) -> list[Settings]:
    """McKay, Beckman and Conover, Technometrics 21 (1979), section 2.2: one sample in each stratum of each axis."""
    generator = np.random.Generator(np.random.PCG64(latin.seed))
    columns: dict[str, list[Any]] = {}
    for path, written in latin.axes.items():
        strata = generator.permutation(latin.samples)
        shares = (strata + generator.random(latin.samples)) / latin.samples
        field = f"latin.axes.{path}"
        if isinstance(written, list):
            values = axis_values(written, where, field)
            columns[path] = [values[min(int(share * len(values)), len(values) - 1)] for share in shares]
            continue
        if not isinstance(written, Mapping) or "range" not in written or "step" in written or "count" in written:
            raise InputError(where, field, written, "a list, or {range: [low, high]} with spacing, integer or unit")
        interval = Interval.read(written, where, field)
        columns[path] = [interval.at(float(share)) for share in shares]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
