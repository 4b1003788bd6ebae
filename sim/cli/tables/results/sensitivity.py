"""What ``moe-cosim run --sensitivity`` shows beside the result."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from moe_cosim.sim.cli.table import Column, Note, Table
from moe_cosim.sim.display.units import shown
from moe_cosim.sim.sensitivity.metrics import METRICS
from moe_cosim.sim.sensitivity.sensitivity import Sensitivity
from moe_cosim.sim.sensitivity.swings import Swing

_SHOWN: Final = 15
"""Swings of one figure that people see."""
_BAR: Final = 20
"""Characters that the widest span of a figure takes."""


def moved_most(found: Sensitivity) -> str:
    """The assumption with the largest swing, for each of the run's own figures that were asked for."""
    said = []
    for metric in found.metrics:
        largest = next(iter(found.swings(metric)), None)
        if largest is not None and largest.swing:
            low, high = _figure(largest, largest.lowest), _figure(largest, largest.highest)
            spans = f"from {low} at {largest.lowest_at} to {high} at {largest.highest_at}"
            said.append(f"{largest.assumption} ({METRICS[metric].label.name.lower()} {spans})")
    return "; ".join(said) or "nothing of what is assumed"


def sensitivity_parts(found: Sensitivity | None) -> list[Table | Note]:
    """The tornado of each figure, and what could not be varied; an empty table where nothing was."""
    swings = [] if found is None else found.all_swings()
    columns = [Column(name) for name in (*Swing.__dataclass_fields__, "swing")]
    rows = [_flat(swing) for swing in swings]
    table = Table("sensitivity", "sensitivity", columns, rows, view=_tornado(swings))
    if found is None:
        return [table]
    return [
        table,
        *_summed_up(swings),
        *(Note(f"{run.assumption} at {run.value}: {run.error}", f"failed, {run.experiment}") for run in found.failed),
        *(Note(f"{each.assumption}, {each.value}: {each.reason}", "not varied") for each in found.not_varied),
    ]


def _flat(swing: Swing) -> list[Any]:
    return [" ".join(map(str, value)) if isinstance(value, list) else value for value in swing.as_dict().values()]


def _tornado(swings: Sequence[Swing]) -> Table:
    """For people: those that move a figure, the widest bar for the largest swing."""
    columns = (
        Column("figure", role="group"),
        Column("assumption", role="key"),
        Column("lowest"),
        Column("lowest_at", "at", priority=1),
        Column("highest"),
        Column("highest_at", "at", priority=1),
        Column("bar", "░ lower, █ higher"),
    )
    rows: list[list[Any]] = []
    for title, of_one in _by_figure(swings):
        moving = [swing for swing in of_one if swing.swing]
        low = min((swing.lowest for swing in moving), default=0.0)
        high = max((swing.highest for swing in moving), default=0.0)
        for each in moving[:_SHOWN]:
            lowest, highest = _figure(each, each.lowest), _figure(each, each.highest)
            bar = _bar(each, low, high)
            rows.append([title, each.assumption, lowest, each.lowest_at, highest, each.highest_at, bar])
    return Table("sensitivity", "how far each assumption moves it over its range", columns, rows)


def _summed_up(swings: Sequence[Swing]) -> list[Note]:
    """What each figure is and becomes, and how many assumptions people do not see."""
    notes = []
    for title, of_one in _by_figure(swings):
        first, moving = of_one[0], sum(swing.swing > 0 for swing in of_one)
        now = f"{_figure(first, first.answer)}{' times better' if first.against else ''} as it is"
        low = _figure(first, min(swing.lowest for swing in of_one))
        high = _figure(first, max(swing.highest for swing in of_one))
        less = f"; {moving - _SHOWN} more move it less" if moving > _SHOWN else ""
        still = f"; {len(of_one) - moving} do not move it" if len(of_one) > moving else ""
        notes.append(Note(f"{now}, {low} to {high} over the ranges, one at a time{less}{still}", title))
    return notes


def _by_figure(swings: Sequence[Swing]) -> list[tuple[str, list[Swing]]]:
    """With a title."""
    return [(title, list(of_one)) for title, of_one in groupby(swings, key=_title)]


def _title(swing: Swing) -> str:
    return METRICS[swing.metric].label.name + (f" over {swing.against}" if swing.against else "")


def _figure(swing: Swing, value: float) -> str:
    """With its unit; a factor without."""
    factor, unit = shown([value], "" if swing.against else METRICS[swing.metric].label.unit)
    return f"{value / factor:.4g} {unit}".rstrip()


def _bar(swing: Swing, low: float, high: float) -> str:
    """From the lowest to the highest, on a scale that all of a figure share; where they meet is the answer."""
    start, middle, end = (round(_BAR * (at - low) / (high - low)) for at in (swing.lowest, swing.answer, swing.highest))
    return " " * start + "░" * (middle - start) + "█" * (end - middle)
