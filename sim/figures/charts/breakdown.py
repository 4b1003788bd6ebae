"""Stacked bars of what a whole is made of: time on the critical path, energy, bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.display.labels import Label
from moe_cosim.sim.display.names import component, purpose
from moe_cosim.sim.display.styles import Style, styles
from moe_cosim.sim.figures.charts.bars import found_baseline
from moe_cosim.sim.figures.charts.lines import set_axes
from moe_cosim.sim.figures.label_file import Naming
from moe_cosim.sim.figures.parts import OTHER, PER, WHOLES, Whole, divisor_columns, part_columns
from moe_cosim.sim.figures.points import Points, read_points
from moe_cosim.sim.figures.request import FigureRequest
from moe_cosim.sim.figures.text_table import Cell, FigureTable
from moe_cosim.sim.sweep.query.query import Tables

_MOST: Final = 8
"""Parts that are shown unless more are asked for."""
_LEAST: Final = 0.01
"""Of the highest bar: what is nowhere higher is shown with the rest, unless ``--parts`` says how many are shown."""


@dataclass(frozen=True)
class StackedPart:
    """Its height in every bar."""

    name: str
    style: Style
    heights: list[float]


@dataclass(frozen=True)
class Breakdown:
    """Bars in groups; `bars` are (group, name), the parts of each from the bottom."""

    parts: list[StackedPart]
    bars: list[tuple[str, str]]
    x_label: str
    y_label: str
    is_framed: ClassVar[bool] = False
    legend_title: ClassVar[str] = ""

    @property
    def _groups(self) -> list[str]:
        return list(dict.fromkeys(group for group, _ in self.bars))

    @property
    def places(self) -> list[float]:
        """Of the bars along x; groups stand apart."""
        gap = 0.6 if len(self._groups) > 1 else 0.0
        return [index + gap * self._groups.index(group) for index, (group, _) in enumerate(self.bars)]

    def draw(self, axes: Any) -> None:
        """Bars of a group stand together, under its name where there are several."""
        places, below = self.places, np.zeros(len(self.bars))
        for part in self.parts:
            axes.bar(
                places, part.heights, 0.75, below, color=part.style.colour, hatch=part.style.hatch,
                edgecolor="black", linewidth=0.5, label=part.name,
            )  # fmt: skip
            below = below + part.heights
        axes.set_ylim(0, 1.05 * below.max(initial=0.0) or 1.0)
        axes.set_xticks(places, [name for _, name in self.bars])
        axes.tick_params(axis="x", length=0)
        set_axes(axes, "" if len(self._groups) > 1 else self.x_label, self.y_label)
        if len(self._groups) > 1:
            for label in axes.get_xticklabels():
                label.set(rotation=40, ha="right", rotation_mode="anchor")
            middles = [
                float(np.mean([at for at, bar in zip(places, self.bars, strict=True) if bar[0] == group]))
                for group in self._groups
            ]
            above = axes.secondary_xaxis("top")
            above.set_xticks(middles, self._groups)
            above.tick_params(length=0, pad=1)
            above.spines["top"].set_visible(False)

    def table(self) -> FigureTable:
        """A row for each bar, a column for each part."""
        rows: list[tuple[Cell, ...]] = [
            (group, name, *(part.heights[index] for part in self.parts))
            for index, (group, name) in enumerate(self.bars)
        ]
        if len(self._groups) == 1:
            head = (self.x_label, *(part.name for part in self.parts))
            return FigureTable(head, tuple(row[1:] for row in rows), self.y_label)
        return FigureTable((self.x_label, "", *(part.name for part in self.parts)), tuple(rows), self.y_label)


def breakdown_of(tables: Tables, request: FigureRequest, naming: Naming) -> tuple[Breakdown, Points]:
    """The chart and its points: means over the seeds, so that parts sum to the mean of the whole. Raises
    `InputError`.
    """
    whole = _whole(request)
    x = request.column("x", "variant")
    if request.share and request.baseline is not None:
        raise InputError("plot", "--share", Plain("a --baseline"), "one of --share and --baseline")
    columns = part_columns(tables.columns, whole, request.by or whole.usual, request.phase)
    if not columns:
        raise InputError("plot", "--of", Plain(f"no {whole.name} in any point"), "results that say it")
    divisors = divisor_columns(request.per)
    names = list(columns)
    flat = [column for name in names for column in columns[name]]
    points = read_points(tables, request, x, [*flat, *divisors], missing=0.0)
    place = {column: index for index, column in enumerate(flat)}

    def parts_of(values: tuple[float, ...]) -> NDArray[np.float64]:
        per = float(np.prod(values[len(flat) :])) if divisors else 1.0
        return np.array([sum(values[place[column]] for column in columns[name]) for name in names]) / max(per, 1.0)

    groups, heights = _bars(points, request, naming, x, parts_of)
    label = Label(whole.title + PER[request.per or "run"], whole.unit)
    heights, text = _shown(heights, groups, label, request, naming)
    if request.hue is None:
        bars = [("", naming.value(bar)) for _, bar in groups]
    else:
        bars = [(naming.value(group), naming.value(bar)) for group, bar in groups]
    return Breakdown(_parts(names, heights, request, naming, whole), bars, naming.column(x).name, text), points


def _whole(request: FigureRequest) -> Whole:
    of = request.of or "critical-path"
    if of not in WHOLES:
        raise InputError("plot", "--of", of, WHOLES)
    whole = WHOLES[of]
    if request.by is not None and request.by not in whole.by:
        raise InputError("plot", "--by", request.by, whole.by)
    if request.per is not None and request.per not in PER:
        raise InputError("plot", "--per", request.per, PER)
    return whole


def _bars(
    points: Points,
    request: FigureRequest,
    naming: Naming,
    x: str,
    parts_of: Callable[[tuple[float, ...]], NDArray[np.float64]],
) -> tuple[list[tuple[Any, Any]], NDArray[np.float64]]:
    """(group, bar) of each bar in order, and [bars, parts]."""
    found: dict[tuple[Any, Any], list[NDArray[np.float64]]] = {}
    for sample in points.samples:
        key = (None, sample.x) if request.hue is None else (sample.x, sample.hue)
        found.setdefault(key, []).append(parts_of(sample.values))
    xs = naming.ordered((one.x for one in points.samples), points.natural(x))
    hues = naming.ordered((one.hue for one in points.samples), points.natural(request.hue))
    naming.check_order([*xs, *hues])
    every = [(None, bar) for bar in xs] if request.hue is None else [(group, bar) for group in xs for bar in hues]
    bars = [bar for bar in every if bar in found]
    return bars, np.array([np.mean(found[bar], axis=0) for bar in bars])


def _shown(
    heights: NDArray[np.float64],
    bars: list[tuple[Any, Any]],
    label: Label,
    request: FigureRequest,
    naming: Naming,
) -> tuple[NDArray[np.float64], str]:
    """In the unit that is shown: shares of each bar, against the baseline's whole, or as they are."""
    totals = heights.sum(axis=1)
    if request.share:
        safe = np.where(totals > 0, totals, 1.0)
        return 100 * heights / safe[:, None], Label(f"Share of {label.name[:1].lower()}{label.name[1:]}", "%").text()
    if request.baseline is not None:
        base = found_baseline(request, naming, list(dict.fromkeys(bar for _, bar in bars)))
        whole = {group: total for (group, bar), total in zip(bars, totals, strict=True) if bar == base}
        for group, _ in bars:
            if not whole.get(group):
                found = Plain(f"nothing of it for {group}" if group is not None else "nothing of it")
                raise InputError("plot", "--baseline", found, "a whole above 0 in each group")
        of = np.array([whole[group] for group, _ in bars])
        return heights / of[:, None], f"{label.name}, relative to {naming.value(base)}"
    factor, text = label.factor(totals.tolist()), label.scaled(totals.tolist())[1]
    return heights / factor, text


def _parts(
    names: list[str], heights: NDArray[np.float64], request: FigureRequest, naming: Naming, whole: Whole
) -> list[StackedPart]:
    """The largest, each with its own style, and the rest together: also what nobody would see."""
    total, by = heights.sum(axis=0), request.by or whole.usual
    seen = _LEAST * heights.sum(axis=1).max() if request.parts is None else 0.0
    largest = sorted((index for index in range(len(names)) if total[index] > 0), key=lambda index: -total[index])
    kept = [index for index in largest if heights[:, index].max() > seen]
    most = request.parts or _MOST
    if len(kept) < len(largest) or len(kept) > most:
        kept = kept[: most - 1]
    look = styles([*(names[index] for index in kept), *([OTHER] if len(kept) < len(largest) else [])])
    say = component if by in ("component", "unit", "memory", "link") else purpose
    found = [StackedPart(naming.value(names[one], say), look[names[one]], heights[:, one].tolist()) for one in kept]
    if len(kept) < len(largest):
        rest = heights[:, [index for index in largest if index not in kept]].sum(axis=1)
        found.append(StackedPart(naming.value(OTHER, purpose), look[OTHER], rest.tolist()))
    return found
