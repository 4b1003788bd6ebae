"""The roofline of a run: every class of kernels under the roofs of its unit.

After S. Williams, A. Waterman, D. Patterson: Roofline, an insightful visual performance model, CACM 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.display.names import component, purpose
from moe_cosim.sim.display.styles import MARKERS, style
from moe_cosim.sim.display.units import shown
from moe_cosim.sim.figures.charts.lines import set_axes
from moe_cosim.sim.figures.label_file import Naming
from moe_cosim.sim.figures.request import FigureRequest
from moe_cosim.sim.figures.sources import FigureSources
from moe_cosim.sim.figures.text_table import FigureTable
from moe_cosim.sim.kept.kernels import KernelClass, Roof, by_part, kernel_classes, roofs
from moe_cosim.sim.results.energy.components import group_names
from moe_cosim.workloads.programs.program import PHASES

_MARGIN: Final = 3.0
"""The axis goes so many times beyond the kernels, and at least to where the roofs meet."""


@dataclass(frozen=True)
class KernelPoint:
    """One class of kernels of one kind of unit."""

    unit: int
    """Its place among the roofs."""
    name: str
    intensity: float
    """Operations per byte."""
    rate: float
    """Operations per second, in the unit that the axis shows."""
    share: float
    """Of the time of all kernels of its unit."""


@dataclass(frozen=True)
class UnitRoof:
    """One kind of unit, of which all instances are alike."""

    name: str
    bytes_per_s: float
    """In the unit of the y axis per (operation per byte)."""
    ceilings: dict[str, float]
    """By operand type."""


@dataclass(frozen=True)
class Roofline:
    """Roofs as lines, kernels as markers."""

    units: list[UnitRoof]
    points: list[KernelPoint]
    y_label: str
    is_framed: ClassVar[bool] = False
    legend_title: ClassVar[str] = ""

    def draw(self, axes: Any) -> None:
        """A roof for each unit and operand type; marks are as large as the kernels' share of the time."""
        low = min(point.intensity for point in self.points) / _MARGIN
        high = _MARGIN * max(
            *(point.intensity for point in self.points),
            *(max(unit.ceilings.values()) / unit.bytes_per_s for unit in self.units),
        )
        for index, unit in enumerate(self.units):
            how = style(index)
            for number, (operand, ceiling) in enumerate(sorted(unit.ceilings.items(), key=lambda item: -item[1])):
                bend = ceiling / unit.bytes_per_s
                x = [low, bend, high] if number == 0 else [bend, high]
                y = [low * unit.bytes_per_s, ceiling, ceiling] if number == 0 else [ceiling, ceiling]
                axes.plot(
                    x, y, color=how.colour, dashes=how.dashes or (None, None), label=unit.name if number == 0 else None
                )
                axes.annotate(
                    operand, (high, ceiling), xytext=(-1 - number * 16, 1), textcoords="offset points", ha="right",
                    va="bottom", fontsize=6,
                )  # fmt: skip
        for name, marker in zip(self.names, MARKERS, strict=False):
            axes.plot([], [], marker, color="white", markeredgecolor="black", markeredgewidth=0.5, label=name)
        for point in self.points:
            axes.plot(
                point.intensity, point.rate, MARKERS[self.names.index(point.name) % len(MARKERS)],
                color=style(point.unit).colour, markeredgecolor="black", markeredgewidth=0.5, zorder=3,
            )  # fmt: skip
        set_axes(axes, "Arithmetic intensity (operations/B)", self.y_label, ("x", "y"))

    @property
    def names(self) -> list[str]:
        """Of the classes, each with a marker of its own."""
        return list(dict.fromkeys(point.name for point in self.points))

    def table(self) -> FigureTable:
        """A row for each class of kernels."""
        head = ("Unit", "Kernels", "Operations per byte", self.y_label, "Roof", "Share of the unit's time (%)")
        rows = []
        for point in self.points:
            unit = self.units[point.unit]
            roof = min(max(unit.ceilings.values()), point.intensity * unit.bytes_per_s)
            rows.append((unit.name, point.name, point.intensity, point.rate, roof, 100 * point.share))
        return FigureTable(head, tuple(rows), "Kernels and their roofs")


def roofline_of(sources: FigureSources, request: FigureRequest, naming: Naming) -> Roofline:
    """Of one run that kept its events; of both phases unless one is asked for. Raises `InputError`."""
    if request.condition is not None:
        raise InputError("plot", "--where", Plain("with --kind roofline"), "no condition: it is of one run")
    if request.phase is not None and request.phase not in PHASES:
        raise InputError("plot", "--phase", request.phase, PHASES)
    runs = sources.kept_runs("a roofline")
    if len(runs) > 1:
        raise InputError("plot", "SOURCE", Plain(f"{len(runs)} runs"), "one run, for a roofline")
    (run,) = runs.values()
    group = group_names(run.machine)
    asked = [one for one in kernel_classes(run) if request.phase in (None, one.phase)]
    classes = by_part(asked, group)
    if not classes:
        raise InputError(run.folder, "program", Plain("no kernels that compute"), "a run with them")
    tops = {group[roof.unit]: roof for roof in roofs(run) if group[roof.unit] in {one.unit for one in classes}}
    factor, unit = shown([max(roof.op_per_s.values()) for roof in tops.values()], "op/s")
    names = list(tops)
    units = [_unit(name, tops[name], factor, naming) for name in names]
    of_unit = {name: sum(one.seconds for one in classes if one.unit == name) for name in names}
    points = [
        KernelPoint(
            names.index(one.unit),
            _name(one, request.phase, naming),
            one.intensity_op_per_byte,
            one.op_per_s / factor,
            one.seconds / of_unit[one.unit],
        )
        for one in classes
    ]
    return Roofline(units, points, f"Rate ({unit})")


def _unit(name: str, roof: Roof, factor: float, naming: Naming) -> UnitRoof:
    ceilings = {operand: rate / factor for operand, rate in roof.op_per_s.items()}
    return UnitRoof(naming.value(name, component), roof.bytes_per_s / factor, ceilings)


def _name(one: KernelClass, phase: str | None, naming: Naming) -> str:
    width = f" {one.bits}-bit" if one.bits else ""
    when = f" ({one.phase})" if phase is None else ""
    return f"{naming.value(one.purpose, purpose)}{width}{when}"
