"""From what is asked to a file: the numbers, the chart, the page or the table."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from moe_cosim.errors import InputError, RunError
from moe_cosim.sim.figures.charts.bars import bars_of
from moe_cosim.sim.figures.charts.breakdown import breakdown_of
from moe_cosim.sim.figures.charts.cdf import cdf_of
from moe_cosim.sim.figures.charts.chart import PrintedChart
from moe_cosim.sim.figures.charts.heatmap import heatmap_of
from moe_cosim.sim.figures.charts.lines import lines_of
from moe_cosim.sim.figures.charts.pareto import pareto_of
from moe_cosim.sim.figures.charts.roofline import roofline_of
from moe_cosim.sim.figures.charts.tornado import tornado_of
from moe_cosim.sim.figures.label_file import Naming
from moe_cosim.sim.figures.page import FORMATS, print_chart, size_of
from moe_cosim.sim.figures.points import Points
from moe_cosim.sim.figures.request import BARS, BREAKDOWN, CDF, HEATMAP, LINES, PARETO, TORNADO, FigureRequest
from moe_cosim.sim.figures.sources import FigureSources
from moe_cosim.sim.sweep.query.query import Tables
from moe_cosim.sim.sweep.store.store import Store
from moe_cosim.whole_file import write_whole

TABLES: Final = (".csv", ".tex")
"""Endings of files that hold the numbers of a figure instead."""

_OF_POINTS: Final[dict[str, Callable[[Tables, FigureRequest, Naming], tuple[Any, Points]]]] = {
    LINES: lines_of,
    PARETO: pareto_of,
    BARS: bars_of,
    BREAKDOWN: breakdown_of,
}


@dataclass(frozen=True)
class FigureFile:
    """What was drawn, where, and what in it may surprise."""

    path: Path
    chart: PrintedChart
    points: Points | None
    """None where events of runs were drawn."""
    missing: str
    """Letters that the font of figures does not have."""


def plot(sources: Sequence[str | Path | Store], request: FigureRequest, out: str | Path) -> FigureFile:
    """Draw what is asked for and write it to `out`: a figure, or its numbers as CSV or LaTeX, by the ending.

    Raises `InputError` for what the sources do not have, and `RunError` for a file that cannot be written.
    """
    path = Path(out)
    if path.suffix not in (*FORMATS, *TABLES):
        raise InputError("plot", "--out", str(out), "a file name ending in " + ", ".join((*FORMATS, *TABLES)))
    width_in, height_in = size_of(request.size, request.height_in)
    naming = Naming.of(request.labels, request.order)
    chart, points = _chart(FigureSources.of(sources), request, naming)
    missing = ""
    if path.suffix in FORMATS:
        missing = print_chart(chart, path, width_in, height_in)
    else:
        table = chart.table()
        _write(path, table.csv() if path.suffix == ".csv" else table.latex())
    return FigureFile(path, chart, points, missing)


def _chart(sources: FigureSources, request: FigureRequest, naming: Naming) -> tuple[PrintedChart, Points | None]:
    if request.kind in _OF_POINTS:
        return _OF_POINTS[request.kind](sources.tables(request.all_versions), request, naming)
    if request.kind == CDF:
        return cdf_of(sources, request, naming)
    if request.kind == HEATMAP:
        return heatmap_of(sources, request, naming)
    if request.kind == TORNADO:
        return tornado_of(sources, request, naming), None
    return roofline_of(sources, request, naming), None


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise RunError(f"{path}: cannot write there: {error.strerror or error}") from None


def file_name(request: FigureRequest) -> str:
    """Of a figure that was given none."""
    if request.kind in (LINES, PARETO) and request.x and request.y:
        name = f"{request.y}-over-{request.x}"
    else:
        name = "-".join(filter(None, (request.kind, request.y, request.of, request.by)))
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name) + ".png"
