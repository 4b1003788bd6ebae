"""The sections of a sweep's report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from moe_cosim.sim.display.styles import styles
from moe_cosim.sim.display.units import shown
from moe_cosim.sim.report import palette
from moe_cosim.sim.report.parts import Chart, Panel, Section, Sentence, TextTable
from moe_cosim.sim.report.sweeps.points import SweepPoints, SweptAxis, SweptConfiguration
from moe_cosim.sim.report.write_number import number
from moe_cosim.sim.sweep.query.pareto import pareto_front

_MOST_ROWS: Final = 500


def front(points: SweepPoints) -> Section:
    """Of the first two metrics of which more or less is better."""
    ranked = [place for place, up in enumerate(points.higher_is_better) if up is not None][:2]
    panel = Panel("", [_front(points, ranked[1], ranked[0])], is_wide=True) if len(ranked) == 2 else None
    return Section(
        "front",
        "Front",
        "Each mark is a configuration, at the medians over its seeds. The line is the front: what no other "
        "configuration beats in both. Between two of its corners nothing is promised but what the one before reaches.",
        [panel]
        if panel is not None
        else [Panel("", [Sentence("There are no two metrics to weigh against each other.")])],
    )


def _front(points: SweepPoints, x: int, y: int) -> Chart:
    ups = points.higher_is_better
    places = [(each.figures[x], each.figures[y]) for each in points.configurations]
    best = pareto_front(places, (bool(ups[x]), bool(ups[y])))
    x_factor, x_unit = shown([place[0] for place in places], points.metrics[x].unit)
    y_factor, y_unit = shown([place[1] for place in places], points.metrics[y].unit)
    corners = sorted({(places[index][0] / x_factor, places[index][1] / y_factor) for index in best})
    marks = [
        {
            "x": place[0] / x_factor,
            "y": place[1] / y_factor,
            "system": each.system,
            "tip": _tip(points, each) | ({"front": "on it"} if index in best else {}),
        }
        for index, (each, place) in enumerate(zip(points.configurations, places, strict=True))
    ]
    x_axis = {"field": "x", "type": "quantitative", "title": points.metrics[x].text(x_unit), "scale": {"zero": False}}
    y_axis = {"field": "y", "type": "quantitative", "title": points.metrics[y].text(y_unit), "scale": {"zero": False}}
    line = {
        "data": {"values": [{"x": a, "y": b} for a, b in corners]},
        "mark": {"type": "line", "interpolate": "step-before" if ups[x] else "step-after", "color": "var(--soft)"},
        "encoding": {"x": x_axis, "y": y_axis},
    }
    spec = {"height": 320, "layer": [line, _marks(marks, x_axis, y_axis)]}
    title = f"{points.metrics[y].name} over {points.metrics[x].name.lower()}"
    return Chart(title, spec, f"{title} of {len(marks)} configurations, {len(best)} of which are on the front.")


def _marks(marks: list[dict[str, Any]], x_axis: dict[str, Any], y_axis: dict[str, Any]) -> dict[str, Any]:
    systems = list(dict.fromkeys(mark["system"] for mark in marks))
    looks = styles(systems).values()
    both = {"field": "system", "type": "nominal", "legend": {"title": None} if len(systems) > 1 else None}
    return {
        "data": {"values": marks},
        "mark": {"type": "point", "filled": True, "size": 70, "opacity": 0.9},
        "encoding": {
            "x": x_axis,
            "y": y_axis,
            "color": {**both, "scale": {"domain": systems, "range": [palette.line(each) for each in looks]}},
            "shape": {**both, "scale": {"domain": systems, "range": [palette.shape(each) for each in looks]}},
            "tooltip": {"field": "tip"},
        },
    }


def _tip(points: SweepPoints, each: SweptConfiguration) -> dict[str, str]:
    said = {"system": each.system} if each.system else {}
    said |= {axis.called.name: _cell(axis, at) for axis, at in zip(points.axes, each.values, strict=True)}
    figures = zip(points.metrics, each.figures, strict=True)
    return said | {metric.name: number(figure, metric.unit) for metric, figure in figures}


def _cell(axis: SweptAxis, at: Any) -> str:
    return number(float(at), axis.called.unit) if axis.is_number else str(at)


def parameters(points: SweepPoints) -> Section:
    """A panel for each metric, in it a chart for each parameter."""
    panels = [
        Panel(metric.name, [_against(points, axis, place) for axis in range(len(points.axes))])
        for place, metric in enumerate(points.metrics)
        if points.axes
    ]
    return Section(
        "parameters",
        "Parameters against metrics",
        "A mark is a configuration; the line goes through the medians of what has one value of the parameter. How far "
        "marks of one value lie apart is what all other parameters do.",
        panels or [Panel("", [Sentence("No parameter varies.")])],
    )


def _against(points: SweepPoints, place: int, metric: int) -> Chart:
    axis, y_label = points.axes[place], points.metrics[metric]
    figures = [each.figures[metric] for each in points.configurations]
    y_factor, y_unit = shown(figures, y_label.unit)
    x_factor, x_unit = (1.0, "")
    if axis.is_number:
        x_factor, x_unit = shown([float(each.values[place]) for each in points.configurations], axis.called.unit)
    marks = [
        {
            "x": each.values[place] / x_factor if axis.is_number else each.values[place],
            "y": figure / y_factor,
            "system": each.system,
            "tip": _tip(points, each),
        }
        for each, figure in zip(points.configurations, figures, strict=True)
    ]
    kind = "quantitative" if axis.is_number else "nominal"
    scale = {"scale": {"zero": False, "padding": 12}} if axis.is_number else {"axis": {"labelAngle": 0}}
    x_axis = {"field": "x", "type": kind, "title": axis.called.text(x_unit), **scale}
    y_axis = {"field": "y", "type": "quantitative", "title": y_unit, "scale": {"zero": False}}
    medians = {
        "data": {"values": [{"x": mark["x"], "y": mark["y"]} for mark in marks]},
        "transform": [{"aggregate": [{"op": "median", "field": "y", "as": "y"}], "groupby": ["x"]}],
        "mark": {"type": "line", "color": "var(--soft)", "strokeDash": [4, 3]}
        if axis.is_number
        else {"type": "tick", "color": "var(--soft)", "thickness": 2},
        "encoding": {"x": x_axis, "y": y_axis},
    }
    says = f"{y_label.name} over {axis.called.name}: {len(marks)} configurations and their medians."
    return Chart(f"over {axis.called.name}", {"height": 170, "layer": [medians, _marks(marks, x_axis, y_axis)]}, says)


def table(points: SweepPoints) -> Section:
    """The best of the first metric first."""
    up = points.higher_is_better[0]
    order = sorted(points.configurations, key=lambda each: -each.figures[0] if up else each.figures[0])
    systems = any(each.system for each in order)
    headings = [
        *(["System"] if systems else []),
        *(f"#{axis.called.name}" if axis.is_number else axis.called.name for axis in points.axes),
    ]
    headings += [*(f"#{metric.name}" for metric in points.metrics), "#Seeds"]
    rows = [_row(points, each, systems) for each in order[:_MOST_ROWS]]
    more = len(order) - len(rows)
    said = [Sentence(f"{more:,} more configurations: moe-cosim results STORE.")] if more else []
    reads = f"Medians over seeds, the best {points.metrics[0].name.lower()} first."
    return Section("points", "Points", reads, [Panel("", [TextTable("", headings, rows), *said], is_wide=True)])


def _row(points: SweepPoints, each: SweptConfiguration, systems: bool) -> Sequence[str]:
    values = [_cell(axis, at) for axis, at in zip(points.axes, each.values, strict=True)]
    figures = [number(figure, metric.unit) for metric, figure in zip(points.metrics, each.figures, strict=True)]
    return [*([each.system] if systems else []), *values, *figures, str(each.seeds)]
