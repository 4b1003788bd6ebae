"""Medians over a number, joined by lines; over categories, points that nothing joins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from moe_cosim.sim.display.styles import Style, styles
from moe_cosim.sim.figures.label_file import Naming
from moe_cosim.sim.figures.points import read_points
from moe_cosim.sim.figures.request import FigureRequest
from moe_cosim.sim.figures.samples import quartiles
from moe_cosim.sim.figures.text_table import FigureTable
from moe_cosim.sim.sweep.query.query import Tables

EDGED: Final = {"markeredgecolor": "black", "markeredgewidth": 0.4}
"""Markers that light colours leave visible."""


_LEAST_GAP: Final = 1 / 16
"""Of the axis, between numbers along x that are all written."""


@dataclass(frozen=True)
class Line:
    """One hue: per x the median of y over the seeds, and the middle half of them (equal to it for one seed)."""

    name: str
    style: Style
    x: list[Any]
    """Numbers, or the places of categories."""
    median: list[float]
    low: list[float]
    high: list[float]


@dataclass(frozen=True)
class Lines:
    """`categories` are the names at the places 0, 1, …; none where x is a number."""

    lines: list[Line]
    categories: list[str]
    x_label: str
    y_label: str
    log: tuple[str, ...]
    legend_title: str = ""
    is_framed: ClassVar[bool] = False

    def draw(self, axes: Any) -> None:
        """Medians, with the middle half as a band; over categories as whiskers."""
        for index, line in enumerate(self.lines):
            name = line.name or None
            how = {"color": line.style.colour, "marker": line.style.marker, "label": name, **EDGED}
            if self.categories:
                x = [place + 0.6 * ((index + 0.5) / len(self.lines) - 0.5) for place in line.x]
                below = [median - low for median, low in zip(line.median, line.low, strict=True)]
                above = [high - median for median, high in zip(line.median, line.high, strict=True)]
                axes.errorbar(x, line.median, yerr=(below, above), linestyle="none", capsize=2, **how)
            else:
                axes.plot(line.x, line.median, dashes=line.style.dashes or (None, None), **how)
                axes.fill_between(line.x, line.low, line.high, color=line.style.colour, alpha=0.2, linewidth=0)
        if self.categories:
            axes.set_xticks(range(len(self.categories)), self.categories)
        set_axes(axes, self.x_label, self.y_label, self.log)
        places = sorted({x for line in self.lines for x in line.x})
        if not self.categories and _are_apart(places, "x" in self.log):
            axes.set_xticks(places, [f"{place:g}" for place in places])

    def table(self) -> FigureTable:
        """A row for each place, a column for each line's median."""
        places = self.categories or sorted({x for line in self.lines for x in line.x})
        rows = []
        for index, place in enumerate(places):
            at = index if self.categories else place
            rows.append((place, *(dict(zip(one.x, one.median, strict=True)).get(at) for one in self.lines)))
        names = [line.name or self.y_label for line in self.lines]
        return FigureTable((self.x_label, *names), tuple(rows), self.y_label)


def lines_of(tables: Tables, request: FigureRequest, naming: Naming) -> tuple[Lines, Any]:
    """The chart, and its `Points`."""
    x, y = request.column("x"), request.column("y")
    points = read_points(tables, request, x, [y])
    naming.check_order(sample.hue for sample in points.samples)
    categories = [] if points.are_numbers else naming.ordered((one.x for one in points.samples), points.natural(x))
    x_label, y_label = naming.column(x, points.x_unit), naming.column(y)
    all_y, y_text = y_label.scaled([sample.y for sample in points.samples])
    x_text = x_label.name
    numbers: dict[Any, float] = {name: place for place, name in enumerate(categories)}
    if points.are_numbers:
        raw = [sample.x for sample in points.samples]
        shown, x_text = x_label.scaled(raw) if x_label.unit else (raw, x_label.name)
        numbers = dict(zip(raw, shown, strict=True))
    hues = naming.ordered((one.hue for one in points.samples), points.natural(request.hue))
    look = styles(map(str, hues))
    found = []
    for hue in hues:
        groups: dict[float, list[float]] = {}
        for sample, value in zip(points.samples, all_y, strict=True):
            if sample.hue == hue:
                groups.setdefault(numbers[sample.x], []).append(value)
        places = sorted(groups)
        median, low, high = zip(*(quartiles(groups[place]) for place in places), strict=True)
        name = "" if hue is None else naming.value(hue)
        found.append(Line(name, look[str(hue)], places, list(median), list(low), list(high)))
    title = naming.legend_title(request.hue, hues)
    return Lines(found, [naming.value(name) for name in categories], x_text, y_text, request.log, title), points


def _are_apart(places: Sequence[float], is_log: bool) -> bool:
    """Whether the numbers can stand below the axis without touching."""
    at = np.log(places) if is_log and places[0] > 0 else np.array(places)
    return bool((np.diff(at) >= _LEAST_GAP * (at[-1] - at[0])).all())


def set_axes(axes: Any, x_label: str, y_label: str, log: tuple[str, ...] = ()) -> None:
    """Labels, scales and a grid along y."""
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    for axis in log:
        getattr(axes, f"set_{axis}scale")("log")
    axes.grid(axis="y")
