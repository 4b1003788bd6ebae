"""Tornados: how far each assumption moves one figure of a run, the widest swing on top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.display.styles import style
from moe_cosim.sim.figures.label_file import Naming
from moe_cosim.sim.figures.request import FigureRequest
from moe_cosim.sim.figures.sources import FigureSources
from moe_cosim.sim.figures.text_table import FigureTable
from moe_cosim.sim.sensitivity import Sensitivity
from moe_cosim.sim.sensitivity.swings import Swing

_PARTS: Final = 10
"""Assumptions, unless `FigureRequest.parts` says another number."""
_HEIGHT: Final = 0.7
"""Of a bar, of the room that an assumption has."""
_ROOM: Final = 0.4
"""Left and right of the bars for what stands at their ends, of the widest swing."""


@dataclass(frozen=True)
class Tornado:
    """Swings in the unit that is shown; none of them is 0."""

    swings: list[Swing]
    factor: float
    """What their figures are divided by to be in that unit."""
    x_label: str
    is_framed: ClassVar[bool] = False
    legend_title: ClassVar[str] = ""

    def draw(self, axes: Any) -> None:
        """A bar for each assumption, from the answer in use to both ends of its swing."""
        answer = self.swings[0].answer / self.factor
        for place, swing in enumerate(self.swings):
            low, high = swing.lowest / self.factor, swing.highest / self.factor
            ends = ((low, swing.lowest_at, style(6), "right", -2), (high, swing.highest_at, style(0), "left", 2))
            for end, at, look, side, points in ends:
                if end != answer:
                    axes.barh(
                        place, end - answer, _HEIGHT, answer, color=look.colour, hatch=look.hatch, edgecolor="black",
                        linewidth=0.4,
                    )  # fmt: skip
                    axes.annotate(
                        str(at), (end, place), (points, 0), textcoords="offset points", ha=side, va="center", fontsize=6
                    )
        axes.axvline(answer, color="black", linewidth=0.8)
        axes.set_yticks(range(len(self.swings)), [swing.assumption for swing in self.swings])
        axes.invert_yaxis()
        low, high = min(one.lowest for one in self.swings), max(one.highest for one in self.swings)
        room = _ROOM * (high - low)
        axes.set_xlim((low - room) / self.factor, (high + room) / self.factor)
        axes.set_xlabel(self.x_label)
        axes.grid(visible=True, axis="x")

    def table(self) -> FigureTable:
        """A row for each assumption, the widest swing first."""
        head = ("Assumption", "In use", self.x_label, "Lowest", "Lowest at", "Highest", "Highest at")
        rows = [
            (
                one.assumption, str(one.value), one.answer / self.factor, one.lowest / self.factor, str(one.lowest_at),
                one.highest / self.factor, str(one.highest_at),
            )
            for one in self.swings
        ]  # fmt: skip
        return FigureTable(head, tuple(rows), self.x_label)


def tornado_of(sources: FigureSources, request: FigureRequest, naming: Naming) -> Tornado:
    """Of the folder of a run with ``--sensitivity``: of the figure `y` (default: the first that was asked for then), or
    of how many times better it is than that of the run `baseline`. Raises `InputError`.
    """
    runs = sources.kept_runs("a tornado")
    if len(runs) > 1:
        raise InputError("plot", "SOURCE", Plain(f"{len(runs)} runs"), "one run, for its tornado")
    (run,) = runs.values()
    found = Sensitivity.load(run.folder)
    metric = (request.y or found.metrics[0]).removeprefix("energy.")
    of = [swing for swing in found.swings(metric, request.baseline or "") if swing.swing][: request.parts or _PARTS]
    if not of:
        raise InputError("plot", "--y", metric, "a figure that an assumption moves")
    path = metric if hasattr(run.result, metric) else f"energy.{metric}"
    if request.baseline is not None:
        return Tornado(of, 1.0, f"{naming.column(path).name}, times better than {naming.value(request.baseline)}")
    _, text = naming.column(path).scaled([swing.highest for swing in of])
    return Tornado(of, naming.column(path).factor([swing.highest for swing in of]), text)
