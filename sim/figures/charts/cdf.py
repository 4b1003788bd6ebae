"""Cumulative distributions, exact at every value that is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.display.labels import Label
from moe_cosim.sim.display.names import component, purpose, value
from moe_cosim.sim.display.styles import Style, styles
from moe_cosim.sim.figures.charts.lines import EDGED, set_axes
from moe_cosim.sim.figures.label_file import Naming
from moe_cosim.sim.figures.points import Points, read_points
from moe_cosim.sim.figures.request import FigureRequest
from moe_cosim.sim.figures.samples import by_hue
from moe_cosim.sim.figures.sources import FigureSources
from moe_cosim.sim.figures.text_table import Cell, FigureTable
from moe_cosim.sim.kept.durations import kernel_seconds, step_seconds

OF: Final = ("kernels", "steps")
_MOST: Final = 1000
"""Values of a curve that are drawn: some of many, each with its exact share."""
_MARKS: Final = 6
"""Markers along a curve."""
_QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
"""That a table lists."""


@dataclass(frozen=True)
class Curve:
    """At `value[i]` and below lies the share `share[i]` of all `count` values, in percent."""

    name: str
    style: Style
    value: list[float]
    share: list[float]
    count: int

    def quantile(self, share: float) -> float:
        """The least value drawn that at least `share` of all are at or below."""
        return self.value[int(np.searchsorted(self.share, 100 * share - 1e-9))]


@dataclass(frozen=True)
class Cdf:
    """Curves over one axis."""

    curves: list[Curve]
    x_label: str
    log: tuple[str, ...]
    legend_title: str = ""
    is_framed: ClassVar[bool] = False

    def draw(self, axes: Any) -> None:
        """Steps at every value, with marks that lie apart on the curves."""
        for index, curve in enumerate(self.curves):
            first = index * len(curve.value) // (_MARKS * len(self.curves))
            axes.step(
                [curve.value[0], *curve.value], [0.0, *curve.share], where="post", color=curve.style.colour,
                dashes=curve.style.dashes or (None, None), marker=curve.style.marker,
                markevery=(first, max(len(curve.value) // _MARKS, 1)), label=curve.name or None, **EDGED,
            )  # fmt: skip
        set_axes(axes, self.x_label, "CDF (%)", self.log)
        axes.set_ylim(0, 101)

    def table(self) -> FigureTable:
        """A row for each curve, a column for each quantile."""
        head = ("", "Values", *(f"{100 * share:g} %" for share in _QUANTILES))
        rows: list[tuple[Cell, ...]] = [
            (one.name, float(one.count), *(one.quantile(share) for share in _QUANTILES)) for one in self.curves
        ]
        return FigureTable(head, tuple(rows), f"{self.x_label} at or below which so many are")


def cdf_of(sources: FigureSources, request: FigureRequest, naming: Naming) -> tuple[Cdf, Points | None]:
    """Of a column over points, or of what single kernels and steps took in runs that kept their events. Raises
    `InputError`.
    """
    if (request.of is None) == (request.y is None):
        found = Plain("both --of and --y" if request.of else "neither --of nor --y")
        raise InputError("plot", "--of", found, "--of kernels or steps, of runs, or --y COLUMN, of points")
    if request.of is None:
        y = request.column("y")
        points = read_points(sources.tables(request.all_versions), request, None, [y], by_hue)
        values: dict[Any, list[float]] = {}
        for sample in points.samples:
            values.setdefault(sample.hue, []).append(sample.y)
        arrays: dict[Any, NDArray[np.float64]] = {hue: np.sort(each) for hue, each in values.items()}
        hues = naming.ordered(arrays, points.natural(request.hue))
        return _cdf(arrays, hues, naming.column(y), request, naming), points
    if request.hue is not None or request.condition is not None:
        given = "--hue" if request.hue is not None else "--where"
        raise InputError("plot", given, Plain("with --of"), "--by, of kernels")
    arrays, title = _durations(sources, request)
    return _cdf(arrays, naming.ordered(arrays, list(sources.runs)), Label(title, "s"), request, naming), None


def _durations(sources: FigureSources, request: FigureRequest) -> tuple[dict[Any, NDArray[np.float64]], str]:
    """By run; kernels of a single run by what they are told apart by."""
    if request.of not in OF:
        raise InputError("plot", "--of", request.of, OF)
    runs = sources.kept_runs(f"a CDF of {request.of}")
    if request.of == "steps":
        if request.by is not None:
            raise InputError("plot", "--by", Plain("with --of steps"), "--of kernels with --by")
        return {name: np.sort(step_seconds(run)) for name, run in runs.items()}, "Time of a decode step"
    if len(runs) == 1:
        run = next(iter(runs.values()))
        return dict(kernel_seconds(run, request.by or "purpose")), "Time of a kernel"
    if request.by is not None:
        raise InputError("plot", "--by", Plain(f"{len(runs)} runs"), "one run with --by")
    found = {name: np.sort(np.concatenate(list(kernel_seconds(run).values()))) for name, run in runs.items()}
    return found, "Time of a kernel"


def _cdf(
    arrays: dict[Any, NDArray[np.float64]], names: Iterable[Any], label: Label, request: FigureRequest, naming: Naming
) -> Cdf:
    names = list(names)
    naming.check_order(names)
    typical = [float(np.median(each)) for each in arrays.values()] if "x" in request.log else []
    largest = [float(each[-1]) for each in arrays.values()]
    factor, text = label.factor(typical or largest), label.scaled(typical or largest)[1]
    look = styles(map(str, names))
    say = value if request.of != "kernels" else component if request.by == "unit" else purpose
    curves = []
    for name in names:
        values, count = arrays[name], len(arrays[name])
        kept = np.unique(np.linspace(0, count - 1, min(count, _MOST)).astype(np.int64))
        last = np.searchsorted(values, values[kept], "right")  # of equal values the share of all of them
        value_of, place = np.unique(values[kept], return_index=True)
        shown = "" if name is None else naming.value(name, say)
        share = (100 * last[place] / count).tolist()
        curves.append(Curve(shown, look[str(name)], (value_of / factor).tolist(), share, count))
    return Cdf(curves, text, request.log, naming.legend_title(request.hue, names))
