"""Bars: side by side or stacked, as they are or against a baseline, with a geometric mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.display.labels import Label
from moe_cosim.sim.display.ratios import geometric_mean, speed_up
from moe_cosim.sim.display.styles import Style, styles
from moe_cosim.sim.display.units import better
from moe_cosim.sim.figures.charts.lines import set_axes
from moe_cosim.sim.figures.label_file import Naming
from moe_cosim.sim.figures.points import Points, read_points
from moe_cosim.sim.figures.request import FigureRequest
from moe_cosim.sim.figures.samples import quartiles
from moe_cosim.sim.figures.text_table import FigureTable, three_digits
from moe_cosim.sim.sweep.query.query import Tables

GEOMEAN: Final = "Geomean"
_WIDTH: Final = 0.8
"""Of all bars of a category."""
_Spread = tuple[float, float, float]
"""Median, and the ends of the middle half."""


@dataclass(frozen=True)
class BarSeries:
    """One hue: a median and the middle half for each category, None where it has no point."""

    name: str
    style: Style
    spreads: list[_Spread | None]

    @property
    def heights(self) -> list[float | None]:
        """Medians by category."""
        return [None if spread is None else spread[0] for spread in self.spreads]


@dataclass(frozen=True)
class Bars:
    """`means` last categories are geometric means over the others. `reference`: where the baseline is."""

    series: list[BarSeries]
    categories: list[str]
    x_label: str
    y_label: str
    stacked: bool
    values: bool
    log: tuple[str, ...]
    means: int = 0
    reference: float | None = None
    legend_title: str = ""
    is_framed: ClassVar[bool] = False

    def draw(self, axes: Any) -> None:
        """A category's bars share its width, or lie on each other; whiskers are the middle half."""
        count = 1 if self.stacked else len(self.series)
        width = _WIDTH / count
        below = [0.0] * len(self.categories)
        for index, one in enumerate(self.series):
            shift = 0.0 if self.stacked else (index - (count - 1) / 2) * width
            drawn = [place for place, spread in enumerate(one.spreads) if spread is not None]
            spreads = [spread for spread in one.spreads if spread is not None]
            heights = [spread[0] for spread in spreads]
            bars = axes.bar(
                [self._at(place) + shift for place in drawn], heights, width, [below[place] for place in drawn],
                color=one.style.colour, hatch=one.style.hatch, edgecolor="black", linewidth=0.5,
                label=one.name or None, yerr=None if self.stacked else _error(spreads),
                error_kw={"elinewidth": 0.6, "capsize": 1.5},
            )  # fmt: skip
            if self.values:
                kind = "center" if self.stacked else "edge"
                axes.bar_label(bars, fmt=three_digits, label_type=kind, fontsize=6, padding=0 if self.stacked else 1.5)
            if self.stacked:
                for place, height in zip(drawn, heights, strict=True):
                    below[place] += height
            else:
                for place in set(range(len(self.categories))) - set(drawn):
                    axes.text(
                        self._at(place) + shift, 0, "n/a", rotation=90, ha="center", va="bottom", fontsize=6,
                        transform=axes.get_xaxis_transform(),
                    )  # fmt: skip
        axes.set_xticks([self._at(place) for place in range(len(self.categories))], self.categories)
        axes.tick_params(axis="x", length=0)
        if self.reference is not None:
            axes.axhline(self.reference, color="black", linewidth=0.6, linestyle=(0, (3, 2)), zorder=0)
        set_axes(axes, self.x_label, self.y_label, self.log)

    def _at(self, place: int) -> float:
        """Means stand a little apart."""
        return place + (0.25 if place >= len(self.categories) - self.means else 0.0)

    def table(self) -> FigureTable:
        """A row for each category, a column for each series."""
        rows = [(name, *(one.heights[place] for one in self.series)) for place, name in enumerate(self.categories)]
        names = [one.name or self.y_label for one in self.series]
        return FigureTable((self.x_label, *names), tuple(rows), self.y_label, self.means)


def bars_of(tables: Tables, request: FigureRequest, naming: Naming) -> tuple[Bars, Points]:
    """The chart and its points. Raises `InputError` for a baseline that is not there."""
    x, y = request.column("x", "variant"), request.column("y")
    label = naming.column(y)
    _check(request, label)
    points = read_points(tables, request, x, [y])
    categories = naming.ordered((one.x for one in points.samples), points.natural(x))
    hues = naming.ordered((one.hue for one in points.samples), points.natural(request.hue))
    naming.check_order([*categories, *hues])
    groups: dict[tuple[Any, Any], list[float]] = {}
    for sample in points.samples:
        groups.setdefault((sample.x, sample.hue), []).append(sample.y)
    spreads: dict[tuple[Any, Any], _Spread] = {place: quartiles(values) for place, values in groups.items()}
    text, reference = label.text(), None
    if request.baseline is not None:
        base = found_baseline(request, naming, hues if request.hue else categories)
        spreads = _relative(spreads, base, request, label)
        text, reference = _relative_text(label, naming.value(base), request), 1.0
    else:
        spreads, text = _scaled(spreads, label)
    names = [_category(category, points, naming, x) for category in categories]
    look = styles(map(str, hues))
    series = []
    for hue in hues:
        row = [spreads.get((category, hue)) for category in categories]
        if request.geomean:
            mean = _mean(row, hue, categories)
            row.append((mean, mean, mean))
        series.append(BarSeries("" if hue is None else naming.value(hue), look[str(hue)], row))
    means = int(request.geomean)
    if means:
        names.append(naming.value(GEOMEAN))
    name, title = naming.column(x).name, naming.legend_title(request.hue, hues)
    chart = Bars(series, names, name, text, request.stacked, request.values, request.log, means, reference, title)
    return chart, points


def found_baseline(request: FigureRequest, naming: Naming, among: list[Any]) -> Any:
    """The category that ``--baseline`` names, as it is written or shown; `InputError` where there is none."""
    for raw in among:
        if request.baseline in (str(raw), naming.value(raw)):
            return raw
    raise InputError("plot", "--baseline", request.baseline, [str(raw) for raw in among])


def _check(request: FigureRequest, label: Label) -> None:
    if request.speedup and not better(label.unit):
        found = Plain(f"{request.y}, of which neither more nor less is better")
        raise InputError("plot", "--speedup", found, "a throughput, a time, an energy, or bytes")
    if request.speedup and request.baseline is None:
        raise InputError("plot", "--speedup", Plain("no --baseline"), "--baseline with --speedup")
    if request.geomean and request.hue is None:
        raise InputError("plot", "--geomean", Plain("no --hue"), "--hue, of whose values it is the mean over --x")
    if request.stacked and (request.hue is None or request.baseline or request.geomean):
        found = Plain("no --hue" if request.hue is None else "a mean or a baseline")
        raise InputError("plot", "--stacked", found, "--hue, and no --baseline and no --geomean, with --stacked")


def _mean(row: list[_Spread | None], hue: Any, categories: list[Any]) -> float:
    """Over all categories: means over different ones would not compare."""
    for spread, category in zip(row, categories, strict=True):
        if spread is None:
            raise InputError(
                "plot", "--geomean", Plain(f"no point of {hue} for {category}"), "each of --x for each hue"
            )
        if spread[0] <= 0:
            raise InputError("plot", "--geomean", Plain(f"{spread[0]:g} of {hue} for {category}"), "numbers above 0")
    return geometric_mean(spread[0] for spread in row if spread is not None)


def _relative(
    spreads: Mapping[tuple[Any, Any], _Spread], base: Any, request: FigureRequest, label: Label
) -> dict[tuple[Any, Any], _Spread]:
    """Against the baseline's median in the same category, or against the one category that is the baseline."""
    found = {}
    for (category, hue), spread in spreads.items():
        place = (category, base) if request.hue is not None else (base, None)
        if place not in spreads:
            raise InputError("plot", "--baseline", Plain(f"none for {category}"), "a point of it for each value of --x")
        divisor = spreads[place][0]
        if divisor <= 0 or spread[0] <= 0:
            raise InputError("plot", "--y", Plain(f"{min(divisor, spread[0]):g} for {category}"), "numbers above 0")
        if request.speedup:
            median, *ends = (speed_up(value, divisor, label.unit) for value in spread)
            found[category, hue] = (median, min(ends), max(ends))
        else:
            median, low, high = (value / divisor for value in spread)
            found[category, hue] = (median, low, high)
    return found


def _relative_text(label: Label, base: str, request: FigureRequest) -> str:
    if not request.speedup:
        return f"{label.name}, relative to {base}"
    return f"Speed-up over {base}" if label.unit in ("tokens/s", "s", "ps") else f"{label.name}: gain over {base} (×)"


def _scaled(spreads: Mapping[tuple[Any, Any], _Spread], label: Label) -> tuple[dict[tuple[Any, Any], _Spread], str]:
    medians = [spread[0] for spread in spreads.values()]
    _, text = label.scaled(medians)
    factor = label.factor(medians)
    return {place: (low / factor, mid / factor, high / factor) for place, (low, mid, high) in spreads.items()}, text


def _category(raw: Any, points: Points, naming: Naming, column: str) -> str:
    """A number of a quantity has its unit beside it."""
    if points.x_unit is None or not isinstance(raw, int | float):
        return naming.value(raw)
    (number,), text = Label("", points.x_unit).scaled([raw])
    return f"{number:g} {text.strip(' ()')}"


def _error(spreads: list[_Spread]) -> Any:
    """None where all are of one value."""
    if all(low == high for _, low, high in spreads):
        return None
    below = [median - low for median, low, _ in spreads]
    above = [high - median for median, _, high in spreads]
    return below, above
