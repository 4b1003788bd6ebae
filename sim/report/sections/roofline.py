"""Every class of kernels under the roof of its unit."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Any, Final

from moe_cosim.quantity import format_quantity
from moe_cosim.sim.display.names import component, purpose, words
from moe_cosim.sim.display.styles import styles
from moe_cosim.sim.display.units import shown
from moe_cosim.sim.kept.kernels import KernelClass, Roof, by_part, kernel_classes, roofs
from moe_cosim.sim.report import palette
from moe_cosim.sim.report.parts import Chart, Part, Sentence, TextTable
from moe_cosim.sim.report.reported import ReportedRun
from moe_cosim.sim.report.write_number import number
from moe_cosim.sim.results.energy.components import group_names
from moe_cosim.sim.results.rows import DECODE
from moe_cosim.workloads.programs.program import PURPOSES

TITLE: Final = "Roofline"
READS: Final = (
    "A mark is a class of kernels: all of one unit, phase, purpose and width of experts. Across: operations per byte "
    "that the unit reads or writes; up: operations per second while they run, launches included; the larger a mark, "
    "the longer its class took; hollow marks are of the prefill. The slope is the peak of the memory beside the unit, "
    "a level line what a large product reaches in an operand type. Marks above the slope read from other memories too."
)
_LEAST, _LARGEST = 40, 600
"""Square pixels of a mark."""


def parts(run: ReportedRun) -> list[Part]:
    """A chart for each unit that computed, and the table of its kernels."""
    names = group_names(run.machine)
    classes = by_part(kernel_classes(run.kept), names)
    found: list[Part] = []
    for name, roof in {names[roof.unit]: roof for roof in roofs(run.kept)}.items():
        own = [each for each in classes if each.unit == name]
        if own:
            found.append(_chart(run, name, own, roof))
    return [*found, _table(classes)] if found else [Sentence("No unit computed anything.")]


def _called(each: KernelClass) -> str:
    width = f", {each.bits} bits" if each.bits else ""
    return f"{purpose(each.purpose)}{width}, {each.phase}"


def _chart(run: ReportedRun, name: str, classes: Sequence[KernelClass], roof: Roof) -> Chart:
    peak = max(roof.op_per_s.values())
    factor, unit = shown([peak], "op/s")
    intensities = [each.intensity_op_per_byte for each in classes]
    least = min(*intensities, peak / roof.bytes_per_s) / 4
    most = max(*intensities, peak / roof.bytes_per_s) * 4
    lines = [
        {
            "type": words(operand),
            "x": x,
            "y": min(rate, x * roof.bytes_per_s) / factor,
            "is_ridge": x == rate / roof.bytes_per_s,
        }
        for operand, rate in roof.op_per_s.items()
        for x in (least, rate / roof.bytes_per_s, most)
    ]
    longest, known = max(each.seconds for each in classes), styles(PURPOSES)
    marks = [
        {
            "x": each.intensity_op_per_byte,
            "y": each.op_per_s / factor,
            "purpose": purpose(each.purpose),
            "fill": palette.line(known[each.purpose]) if each.phase == DECODE else "transparent",
            "area": _LEAST + (_LARGEST - _LEAST) * each.seconds / longest,
            "tip": {"kernels": _called(each)}
            | dict(zip(("operations per byte", "rate", "time"), _figures(each), strict=True)),
        }
        for each in classes
    ]
    slope = number(roof.bytes_per_s, "B/s")
    title = f"{component(name)}: {slope}, at most {number(peak, 'op/s')}"
    says = f"Roofline of {component(name)} of {run.name}: " + "; ".join(
        f"{_called(each)} at {number(each.intensity_op_per_byte, 'op/B')} reach {number(each.op_per_s, 'op/s')}"
        for each in classes
    )
    return Chart(title, _spec(lines, marks, unit), says)


def _figures(each: KernelClass) -> tuple[str, str, str]:
    return (
        f"{each.intensity_op_per_byte:.3g}",
        number(each.op_per_s, "op/s"),
        format_quantity(each.seconds * 1e12, "ps"),
    )


def _spec(lines: list[dict[str, Any]], marks: list[dict[str, Any]], unit: str) -> dict[str, Any]:
    known, there = styles(PURPOSES), {mark["purpose"] for mark in marks}
    used = {purpose(name): each for name, each in known.items() if purpose(name) in there}
    legend = {"title": None, "columns": 4, "symbolStrokeWidth": 2, "symbolFillColor": "transparent"}
    both = {"field": "purpose", "type": "nominal", "legend": legend}
    colours = {"domain": list(used), "range": [palette.line(each) for each in used.values()]}
    shapes = {"domain": list(used), "range": [palette.shape(each) for each in used.values()]}
    x = {"field": "x", "type": "quantitative", "title": "operations per byte", **_decades(lines, marks, "x")}
    y = {"field": "y", "type": "quantitative", "title": unit, **_decades(lines, marks, "y")}
    roof = {
        "data": {"values": lines},
        "mark": {"type": "line", "color": "var(--soft)", "strokeWidth": 1.5},
        "encoding": {"x": x, "y": y, "detail": {"field": "type"}},
    }
    names = {
        "data": {"values": [line for line in lines if line["is_ridge"]]},
        "mark": {"type": "text", "align": "left", "dx": 3, "dy": -7},
        "encoding": {"x": x, "y": y, "text": {"field": "type"}},
    }
    points = {
        "data": {"values": marks},
        "mark": {"type": "point", "strokeWidth": 2, "opacity": 1},
        "encoding": {
            "x": x,
            "y": y,
            "size": {"field": "area", "type": "quantitative", "scale": None},
            "stroke": {**both, "scale": colours},
            "shape": {**both, "scale": shapes},
            "fill": {"field": "fill", "type": "nominal", "scale": None},
            "tooltip": {"field": "tip"},
        },
    }
    return {"height": 260, "layer": [roof, names, points]}


def _decades(lines: list[dict[str, Any]], marks: list[dict[str, Any]], field: str) -> dict[str, Any]:
    """A logarithmic scale with a line for each power of ten, and between them where there are few."""
    values = [float(each[field]) for each in (*lines, *marks)]
    low, high = min(values) / (1 if field == "x" else 1.5), max(values) * (1 if field == "x" else 2)
    steps = (1,) if high / low > 300 else (1, 2, 5)
    ticks = [step * 10.0**power for power in range(floor(log10(low)), ceil(log10(high)) + 1) for step in steps]
    axis = {"values": [tick for tick in ticks if low <= tick <= high], "format": ",~g", "ticks": False}
    return {"axis": axis, "scale": {"type": "log", "nice": False, "domain": [low, high]}}


def _table(classes: Sequence[KernelClass]) -> TextTable:
    rows = [[component(each.unit), _called(each), *_figures(each)] for each in classes]
    headings = ["Unit", "Kernels", "#Operations per byte", "#Rate", "#Time"]
    return TextTable("Every class of kernels", headings, rows, folded=True)
