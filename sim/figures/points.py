"""The points that a figure draws: read from the tables, of one version of the code, with what may surprise."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.quantity import DIMENSIONS, parse_quantity
from moe_cosim.sim.figures.request import FigureRequest
from moe_cosim.sim.figures.samples import Sample, apart_by_version, by_place, of_one_version, of_several_versions
from moe_cosim.sim.sweep.query.locked import identifier
from moe_cosim.sim.sweep.query.query import Tables

_UNITS: Final = {"bytes": "B", "bytes/s": "B/s", "ps": "ps", "Hz": "Hz", "op/s": "op/s", "W": "W", "J": "J"}
"""Of quantities that experiments write with their unit."""


@dataclass(frozen=True)
class Points:
    """Samples, and what a reader should know of them."""

    samples: list[Sample]
    x_unit: str | None
    """Of values of x that are written as quantities."""
    variants: list[str]
    left_out: int
    """Points of other versions of the code."""
    mixed: list[str]
    """Axes other than the seed that vary within a median: the band is not that of seeds alone."""
    versions: list[str]
    """Components and files of which different medians hold different versions."""

    @property
    def are_numbers(self) -> bool:
        """Whether x is a quantity, which lines may join, and no category."""
        return all(isinstance(sample.x, int | float) and not isinstance(sample.x, bool) for sample in self.samples)

    def natural(self, column: str | None) -> Sequence[Any]:
        """The order in which the sweep names its systems; of other columns none."""
        return self.variants if column == "variant" else ()


def read_points(
    tables: Tables,
    request: FigureRequest,
    x: str | None,
    ys: Sequence[str],
    group: Callable[[Sample], Hashable] = by_place,
    missing: float | None = None,
) -> Points:
    """Of the columns `x`, `ys` and the request's hue, all finished points that fulfil its condition.

    Points without x or y are left out; with `missing`, that stands for a y that they do not have. Of what goes into one
    `group` only one version of the code is kept. Raises `InputError` for unknown columns and nothing to draw.
    """
    known, hue = set(tables.columns), request.hue
    for option, column in (("--x", x), ("--hue", hue), *(("--y", y) for y in ys)):
        if column is not None and column not in known:
            raise InputError("plot", option, column, known)
    rows = _rows(tables, request, x, ys, missing)
    if not rows:
        where = "--where" if request.condition else "SOURCE"
        raise InputError("plot", where, Plain("no finished point"), "points to draw")
    for y, value in zip(ys, rows[0][2:], strict=False):
        if not isinstance(value, int | float):
            raise InputError("plot", "--y", y, "a column of numbers")
    xs, unit = numbers_where_possible([row[0] for row in rows])
    count = len(ys)
    samples = [
        Sample(at, row[1], tuple(map(float, row[2 : 2 + count])), *row[2 + count :])
        for at, row in zip(xs, rows, strict=True)
    ]
    drawn = of_one_version(apart_by_version(samples) if request.all_versions else samples, group)
    return Points(
        drawn,
        unit,
        tables.variants,
        tables.left_out + len(samples) - len(drawn),
        _mixed(tables, request, x) if group is by_place else [],
        [] if request.all_versions else of_several_versions(drawn),
    )


def _rows(
    tables: Tables, request: FigureRequest, x: str | None, ys: Sequence[str], missing: float | None
) -> list[tuple[Any, ...]]:
    also = f"AND ({request.condition})" if request.condition else ""
    needed = [] if x is None else [x]
    if missing is None:
        needed += ys
    kept = " AND ".join(f"{identifier(column)} IS NOT NULL" for column in needed) or "true"
    values = [
        identifier(y) if missing is None else f"CAST(coalesce({identifier(y)}, {missing!r}) AS DOUBLE)" for y in ys
    ]
    named = [identifier(column) if column else "NULL" for column in (x, request.hue)]
    columns = ", ".join([*named, *values, "configuration", "sources", "files", "finished_utc"])
    sql = f"SELECT {columns} FROM results WHERE status = 'finished' AND {kept} {also} ORDER BY point_id"
    found: list[tuple[Any, ...]] = tables.query(sql).fetchall()
    return found


def numbers_where_possible(values: list[Any]) -> tuple[list[Any], str | None]:
    """Quantities in base units, with that unit; else unchanged."""
    if all(isinstance(value, int | float) for value in values):
        return values, None
    for dimension in DIMENSIONS:
        try:
            return [parse_quantity(value, dimension, "plot", "--x") for value in values], _UNITS.get(dimension)
        except InputError:
            continue
    return [None if value is None else str(value) for value in values], None


def _mixed(tables: Tables, request: FigureRequest, x: str | None) -> list[str]:
    """Axes of the store's plans that take several values within one median."""
    known, hue = set(tables.columns), request.hue
    others = [axis for axis in tables.axes if axis in known and axis not in (x, hue, "seed")]
    if not others:
        return []
    counts = ", ".join(f"count(DISTINCT {identifier(axis)}) AS n{index}" for index, axis in enumerate(others))
    groups = ", ".join(identifier(name) for name in (x, hue) if name is not None)
    most = ", ".join(f"max(n{index})" for index in range(len(others)))
    also = f"AND ({request.condition})" if request.condition else ""
    by = f"GROUP BY {groups}" if groups else ""
    inner = f"SELECT {counts} FROM results WHERE status = 'finished' {also} {by}"
    numbers = tables.query(f"SELECT {most} FROM ({inner})").fetchall()[0]
    return [axis for axis, number in zip(others, numbers, strict=True) if number and number > 1]
