"""A store's points as a figure: medians with bands, or a Pareto front."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from moe_cosim import extras
from moe_cosim.errors import InputError, Plain, RunError
from moe_cosim.quantity import DIMENSIONS, parse_quantity
from moe_cosim.sim.sweep.query.locked import identifier
from moe_cosim.sim.sweep.query.query import Tables
from moe_cosim.sim.sweep.query.samples import (
    Line,
    Sample,
    apart_by_version,
    by_configuration,
    by_place,
    front,
    lines,
    of_one_version,
    of_several_versions,
    scattered,
)
from moe_cosim.sim.sweep.query.units import label
from moe_cosim.sim.sweep.store.store import Store
from moe_cosim.whole_file import write_whole

FORMATS: Final = (".png", ".pdf", ".svg")
CORNERS: Final = ("upper-left", "upper-right", "lower-left", "lower-right")
"""Where the best point would be, for a Pareto front."""

_LARGE: Final = ("(bytes)", "(bytes/s)")
"""Labels of axes whose numbers are shown with k, M, G."""

_BASE_UNITS: Final = {"bytes": "bytes", "bytes/s": "bytes/s", "ps": "ps", "Hz": "Hz", "op/s": "op/s"}


@dataclass(frozen=True)
class Figure:
    """What is drawn, and what in it may surprise."""

    path: Path
    lines: list[Line]
    front: list[tuple[Any, float]]
    mixed: list[str]
    """Axes other than the seed that vary within a median: the band is not that of seeds alone."""
    left_out: int
    """Points of other versions of the code."""
    versions: list[str]
    """Components and files of which different medians hold different versions."""


def plot(
    store: Store,
    x: str,
    y: str,
    out: str | Path,
    hue: str | None = None,
    condition: str | None = None,
    pareto: str | None = None,
    log: Sequence[str] = (),
    all_versions: bool = False,
) -> Figure:
    """Draw column `y` over column `x` of the finished points, a line per value of `hue`.

    `condition` is one of SQL; `log` names the logarithmic axes ("x", "y"); `pareto` (one of `CORNERS`)
    draws points and their front instead of lines. What is drawn is of one version of the code, unless
    `all_versions` asks for a line of each. Raises `InputError` for unknown columns or nothing to draw.
    """
    path = Path(out)
    if path.suffix not in FORMATS:
        raise InputError("plot", "--out", str(out), "a file name ending in " + ", ".join(FORMATS))
    if pareto is not None and pareto not in CORNERS:
        raise InputError("plot", "--pareto", pareto, CORNERS)
    tables = Tables(store, all_versions)
    points, x_unit = _samples(tables, x, y, hue, condition)
    if pareto is not None and any(isinstance(point.x, str) for point in points):
        raise InputError("plot", "--x", x, "a column of numbers, for a Pareto front")
    group = by_place if pareto is None else by_configuration
    drawn = of_one_version(apart_by_version(points) if all_versions else points, group)
    found = lines(drawn) if pareto is None else scattered(drawn)
    best = [] if pareto is None else front(found, pareto)
    _draw(path, found, best, (label(x, x_unit), label(y)), hue, log)
    mixed = _mixed(tables, x, hue, condition) if pareto is None else []
    left_out = tables.left_out + len(points) - len(drawn)
    return Figure(path, found, best, mixed, left_out, [] if all_versions else of_several_versions(drawn))


def _samples(tables: Tables, x: str, y: str, hue: str | None, condition: str | None) -> tuple[list[Sample], str | None]:
    """The points to draw, and the unit of x where its values are quantities."""
    known = tables.columns
    for option, column in (("--x", x), ("--y", y), ("--hue", hue)):
        if column is not None and column not in known:
            raise InputError("plot", option, column, known)
    also = f"AND ({condition})" if condition else ""
    kept = f"{identifier(x)} IS NOT NULL AND {identifier(y)} IS NOT NULL"
    drawn = f"{identifier(x)}, {identifier(y)}, {identifier(hue) if hue else 'NULL'}"
    columns = f"{drawn}, configuration, sources, files, finished_utc"
    sql = f"SELECT {columns} FROM results WHERE status = 'finished' AND {kept} {also} ORDER BY point_id"
    rows: list[tuple[Any, ...]] = tables.query(sql).fetchall()
    if not rows:
        raise InputError("plot", "--where" if condition else "STORE", Plain("no finished point"), "points to draw")
    if not isinstance(rows[0][1], int | float):
        raise InputError("plot", "--y", y, "a column of numbers")
    xs, unit = _numbers_where_possible([row[0] for row in rows])
    return [Sample(at, float(row[1]), *row[2:]) for at, row in zip(xs, rows, strict=True)], unit


def _numbers_where_possible(values: list[Any]) -> tuple[list[Any], str | None]:
    """Quantities in base units, with that unit; else unchanged."""
    if all(isinstance(value, int | float) for value in values):
        return values, None
    for dimension in DIMENSIONS:
        try:
            return [parse_quantity(value, dimension, "plot", "--x") for value in values], _BASE_UNITS.get(dimension)
        except InputError:
            continue
    return [str(value) for value in values], None


def _draw(
    path: Path,
    lines: list[Line],
    front: list[tuple[Any, float]],
    labels: tuple[str, str],
    hue: str | None,
    log: Sequence[str],
) -> None:
    extras.load("matplotlib").use("Agg")
    pyplot = extras.load("matplotlib.pyplot")

    with pyplot.rc_context(
        {"svg.hashsalt": "moe-cosim", "savefig.dpi": 200, "text.parse_math": False}
    ):  # the same file every time
        figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
        for line in lines:
            if front:
                axes.plot(line.x, line.median, "o", label=line.name)
            else:
                axes.plot(line.x, line.median, "o-", label=line.name, markersize=4)
                axes.fill_between(line.x, line.low, line.high, alpha=0.2)
        if front:
            axes.plot(*zip(*front, strict=True), "k--", drawstyle="default", linewidth=1, label="Pareto front")
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        for axis, text in (("x", labels[0]), ("y", labels[1])):
            if axis in log:
                getattr(axes, f"set_{axis}scale")("log")
            elif text.endswith(_LARGE):
                getattr(axes, f"{axis}axis").set_major_formatter(extras.load("matplotlib.ticker").EngFormatter())
        if "x" not in log and all(isinstance(x, int) for line in lines for x in line.x):
            axes.xaxis.get_major_locator().set_params(integer=True)
        if hue is not None or front:
            axes.legend(title=hue, fontsize="small")
        try:
            image, kind = io.BytesIO(), path.suffix.removeprefix(".")
            figure.savefig(image, format=kind, metadata={"Date": None} if kind == "svg" else None)
            write_whole(path, image.getvalue())
        except OSError as error:
            raise RunError(f"{path}: cannot write there: {error.strerror or error}") from None
        finally:
            pyplot.close(figure)


def _mixed(tables: Tables, x: str, hue: str | None, condition: str | None) -> list[str]:
    """Axes of the store's plans that take several values within one median."""
    known = set(tables.columns)
    others = [axis for axis in tables.axes if axis in known and axis not in (x, hue, "seed")]
    if not others:
        return []
    counts = ", ".join(f"count(DISTINCT {identifier(axis)}) AS n{index}" for index, axis in enumerate(others))
    groups = ", ".join(identifier(name) for name in (x, hue) if name is not None)
    most = ", ".join(f"max(n{index})" for index in range(len(others)))
    also = f"AND ({condition})" if condition else ""
    inner = f"SELECT {counts} FROM results WHERE status = 'finished' {also} GROUP BY {groups}"
    numbers = tables.query(f"SELECT {most} FROM ({inner})").fetchall()[0]
    return [axis for axis, number in zip(others, numbers, strict=True) if number and number > 1]


def file_name(x: str, y: str) -> str:
    """The name of a figure that was given none."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{y}-over-{x}") + ".png"
