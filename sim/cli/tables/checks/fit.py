"""What ``moe-cosim reproduce --fit`` shows."""

from __future__ import annotations

from moe_cosim.sim.cli.table import Column, Note, Report, Table
from moe_cosim.sim.reproduce.cell import CLOSE
from moe_cosim.sim.reproduce.fit import Fitted
from moe_cosim.sim.reproduce.fit.fitted import FittedUnknown


def fit_report(found: Fitted) -> Report:
    """Every cell by default and fitted, every unknown with its place in its range, and how plausible that is."""
    cells = Table(
        "cells",
        f"{found.title}: fitted",
        [
            Column("figure", role="group"),
            Column("cell", role="key"),
            Column("published", form="g"),
            Column("default", form=".4g"),
            Column("fitted", form=".4g"),
            Column("ratio", form=".2f", style=lambda ratio: "green" if abs(ratio - 1) <= CLOSE else "yellow"),
        ],
        [[c.figure, c.cell, c.published, c.default, c.fitted, c.ratio] for c in found.cells],
    )
    unknowns = Table(
        "unknowns",
        "one set for all cells",
        [
            Column("unknown", role="key"),
            Column("range", priority=3),
            Column("default"),
            Column("fitted"),
            Column("place", form=".2f", priority=1),
            Column("without", form=".2f"),
            Column("alone", form=".2f"),
            Column("alone_at", heading="at", priority=2),
        ],
        [
            [one.name, _range(one), str(one.default), _moved(one), one.place, one.without, one.alone, str(one.alone_at)]
            for one in found.unknowns
        ],
    )
    return [
        cells,
        unknowns,
        Note(
            "place: of the fitted value in the range, from 0 to 1. without: the distance of the fitted set with this "
            "unknown back at its default. alone: the nearest with this unknown elsewhere and no other."
        ),
        *(Note(note) for note in found.notes),
        Note(f"{found.wall_s:.1f} s", dim=True),
    ]


def _range(one: FittedUnknown) -> str:
    ends = [str(value) for value in one.range]
    return ", ".join(ends) if one.place is None else " to ".join(ends)


def _moved(one: FittedUnknown) -> str:
    return str(one.fitted) if one.is_moved else ""
