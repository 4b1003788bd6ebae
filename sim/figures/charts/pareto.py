"""Configurations as points, and the steps of their Pareto front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from moe_cosim.errors import InputError
from moe_cosim.sim.display.styles import Style, styles
from moe_cosim.sim.figures.charts.lines import EDGED, set_axes
from moe_cosim.sim.figures.label_file import Naming
from moe_cosim.sim.figures.points import read_points
from moe_cosim.sim.figures.request import FigureRequest
from moe_cosim.sim.figures.samples import by_configuration
from moe_cosim.sim.figures.text_table import FigureTable
from moe_cosim.sim.sweep.query.pareto import pareto_front
from moe_cosim.sim.sweep.query.query import Tables


@dataclass(frozen=True)
class Scatter:
    """The points of one hue: medians over the seeds of a configuration."""

    name: str
    style: Style
    x: list[float]
    y: list[float]


@dataclass(frozen=True)
class ParetoChart:
    """Points, and those that no other beats towards the `corner`, from left to right."""

    scatters: list[Scatter]
    front: list[tuple[float, float]]
    corner: str
    x_label: str
    y_label: str
    log: tuple[str, ...]
    legend_title: str = ""
    is_framed: ClassVar[bool] = False

    def draw(self, axes: Any) -> None:
        """All points, and the front as steps to the axes' ends."""
        for one in self.scatters:
            axes.plot(one.x, one.y, one.style.marker, color=one.style.colour, label=one.name or None, **EDGED)
        set_axes(axes, self.x_label, self.y_label, self.log)
        limits = axes.get_xlim(), axes.get_ylim()
        x, y = self._to_edges(*self.steps(), *limits)
        axes.plot(x, y, color="black", linewidth=0.9, zorder=1, label="Pareto front")
        axes.set(xlim=limits[0], ylim=limits[1])

    def steps(self) -> tuple[list[float], list[float]]:
        """Corners of the front's line: at every x the best y that some point reaches there, none in between.

        Where less x is better, what a point reaches holds to its right, as far as the next; else to its left.
        """
        x, y = (list(column) for column in zip(*self.front, strict=True))
        if self.corner.endswith("left"):
            return [x[0], *np.repeat(x[1:], 2).tolist()], [*np.repeat(y[:-1], 2).tolist(), y[-1]]
        return [*np.repeat(x[:-1], 2).tolist(), x[-1]], [y[0], *np.repeat(y[1:], 2).tolist()]

    def _to_edges(
        self, x: list[float], y: list[float], x_limits: tuple[float, float], y_limits: tuple[float, float]
    ) -> tuple[list[float], list[float]]:
        """The steps, and what their ends reach: to the worst y at one, to the worst x at the other."""
        worst_y = y_limits[0] if self.corner.startswith("upper") else y_limits[1]
        if self.corner.endswith("left"):
            return [x[0], *x, x_limits[1]], [worst_y, *y, y[-1]]
        return [x_limits[0], *x, x[-1]], [y[0], *y, worst_y]

    def table(self) -> FigureTable:
        """A row for each point, with whether it is on the front."""
        front = set(self.front)
        rows = [
            (one.name, x, y, "yes" if (x, y) in front else "")
            for one in self.scatters
            for x, y in zip(one.x, one.y, strict=True)
        ]
        return FigureTable(("", self.x_label, self.y_label, "Pareto front"), tuple(rows), self.y_label)


def pareto_of(tables: Tables, request: FigureRequest, naming: Naming) -> tuple[ParetoChart, Any]:
    """The chart, and its `Points`. Raises `InputError` for an x that is no number."""
    x, y, corner = request.column("x"), request.column("y"), request.column("pareto")
    points = read_points(tables, request, x, [y], by_configuration)
    if not points.are_numbers:
        raise InputError("plot", "--x", x, "a column of numbers, for a Pareto front")
    naming.check_order(sample.hue for sample in points.samples)
    x_values, x_text = naming.column(x, points.x_unit).scaled([sample.x for sample in points.samples])
    y_values, y_text = naming.column(y).scaled([sample.y for sample in points.samples])
    groups: dict[tuple[Any, str], list[tuple[float, float]]] = {}
    for sample, at in zip(points.samples, zip(x_values, y_values, strict=True), strict=True):
        groups.setdefault((sample.hue, sample.configuration), []).append(at)
    medians = {key: tuple(np.median(group, axis=0).tolist()) for key, group in groups.items()}
    hues = naming.ordered((hue for hue, _ in groups), points.natural(request.hue))
    look = styles(map(str, hues))
    scatters = []
    for hue in hues:
        places = sorted(place for (of, _), place in medians.items() if of == hue)
        name = "" if hue is None else naming.value(hue)
        scatters.append(Scatter(name, look[str(hue)], [at[0] for at in places], [at[1] for at in places]))
    every = list(medians.values())
    kept = pareto_front(every, (corner.endswith("right"), corner.startswith("upper")))
    front = sorted({(every[index][0], every[index][1]) for index in kept})
    title = naming.legend_title(request.hue, hues)
    return ParetoChart(scatters, front, corner, x_text, y_text, request.log, title), points
