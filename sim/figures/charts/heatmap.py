"""Heat maps: layers by experts of a run, or one column over two others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.display.labels import Label
from moe_cosim.sim.display.styles import SEQUENTIAL
from moe_cosim.sim.display.units import SHARE
from moe_cosim.sim.figures.label_file import Naming
from moe_cosim.sim.figures.points import Points, read_points
from moe_cosim.sim.figures.request import FigureRequest
from moe_cosim.sim.figures.sources import FigureSources
from moe_cosim.sim.figures.text_table import FigureTable, three_digits
from moe_cosim.sim.kept.experts import expert_table
from moe_cosim.workloads.programs.program import PHASES

QUANTITIES: Final = {
    "tokens": Label("Tokens"),
    "runs": Label("Runs"),
    "bits": Label("Width", "bits"),
    "near-data": Label("Run near the data", SHARE),
    "moves": Label("Moves"),
}
"""Of an expert, by the word that ``--of`` takes."""


@dataclass(frozen=True)
class HeatMap:
    """`cells` [rows][columns], None where there is nothing; named where the axes are categories."""

    cells: list[list[float | None]]
    columns: list[str]
    rows: list[str]
    are_numbered: bool
    """Whether rows and columns are numbers from 0, of which some are shown."""
    x_label: str
    y_label: str
    label: str
    values: bool
    is_framed: ClassVar[bool] = True
    legend_title: ClassVar[str] = ""

    def draw(self, axes: Any) -> None:
        """Cells without a value are hatched."""
        cells = np.array([[np.nan if cell is None else cell for cell in row] for row in self.cells])
        axes.patch.set(hatch="////", edgecolor="#bbbbbb", facecolor="white", linewidth=0)
        image = axes.imshow(cells, cmap=SEQUENTIAL, aspect="auto", origin="lower", interpolation="nearest")
        axes.figure.colorbar(image, ax=axes, label=self.label, pad=0.02)
        axes.set_xlabel(self.x_label)
        axes.set_ylabel(self.y_label)
        if self.are_numbered:
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.yaxis.get_major_locator().set_params(integer=True)
        else:
            axes.set_xticks(range(len(self.columns)), self.columns)
            axes.set_yticks(range(len(self.rows)), self.rows)
            axes.invert_yaxis()  # names are read from above
        if self.values:
            middle = (np.nanmin(cells) + np.nanmax(cells)) / 2
            for (row, column), cell in np.ndenumerate(cells):
                if not np.isnan(cell):
                    ink = "black" if cell > middle else "white"  # the map is dark where values are low
                    axes.text(column, row, three_digits(cell), ha="center", va="center", fontsize=6, color=ink)

    def table(self) -> FigureTable:
        """As it is drawn, the first row of the map first."""
        rows = [(name, *cells) for name, cells in zip(self.rows, self.cells, strict=True)]
        return FigureTable((f"{self.y_label} / {self.x_label}", *self.columns), tuple(rows), self.label)


def heatmap_of(sources: FigureSources, request: FigureRequest, naming: Naming) -> tuple[HeatMap, Points | None]:
    """Of a run's experts with ``--of``, else medians of y over x (columns) and hue (rows). Raises `InputError`."""
    if request.of is not None:
        if request.x or request.y or request.hue or request.condition:
            raise InputError("plot", "--of", Plain("with --x, --y, --hue or --where"), "--of alone, of one run")
        return _of_experts(sources, request), None
    if request.phase is not None:
        raise InputError("plot", "--phase", Plain("no --of"), "--of with --phase")
    x, y, hue = (request.column(name) for name in ("x", "y", "hue"))
    points = read_points(sources.tables(request.all_versions), request, x, [y])
    columns = naming.ordered((one.x for one in points.samples), points.natural(x))
    rows = naming.ordered((one.hue for one in points.samples), points.natural(hue))
    naming.check_order([*columns, *rows])
    groups: dict[tuple[Any, Any], list[float]] = {}
    shown, text = naming.column(y).scaled([one.y for one in points.samples])
    for sample, value in zip(points.samples, shown, strict=True):
        groups.setdefault((sample.hue, sample.x), []).append(value)
    cells = [
        [float(np.median(groups[row, column])) if (row, column) in groups else None for column in columns]
        for row in rows
    ]
    x_values, x_text = naming.column(x, points.x_unit), naming.column(x).name
    if points.x_unit is not None and points.are_numbers:
        numbers, x_text = x_values.scaled(columns)
        columns = [f"{number:g}" for number in numbers]
    names = [naming.value(name) for name in columns], [naming.value(name) for name in rows]
    return HeatMap(cells, *names, False, x_text, naming.column(hue).name, text, request.values), points


def _of_experts(sources: FigureSources, request: FigureRequest) -> HeatMap:
    runs = sources.kept_runs("a heat map of experts")
    if len(runs) > 1:
        raise InputError("plot", "SOURCE", Plain(f"{len(runs)} runs"), "one run, for a heat map of its experts")
    if request.of not in QUANTITIES:
        raise InputError("plot", "--of", request.of, QUANTITIES)
    if request.phase is not None and request.phase not in PHASES:
        raise InputError("plot", "--phase", request.phase, PHASES)
    (run,) = runs.values()
    table = expert_table(run, request.of, request.phase)
    label = QUANTITIES[request.of]
    factor = label.factor([float(np.nanmax(table))])
    cells = [[None if np.isnan(cell) else float(cell) / factor for cell in row] for row in table]
    layers, experts = table.shape
    numbers = [str(number) for number in range(experts)], [str(number) for number in range(layers)]
    text = label.scaled([float(np.nanmax(table))])[1]
    return HeatMap(cells, *numbers, True, "Expert", "Layer", text, request.values)
