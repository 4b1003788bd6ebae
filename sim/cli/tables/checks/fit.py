"""What ``moe-cosim reproduce --fit`` shows."""

from __future__ import annotations

from moe_cosim.sim.cli.table import Column, Note, Report, Table
from moe_cosim.sim.reproduce.cell import CLOSE
from moe_cosim.sim.reproduce.fit import Fitted


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
            Column("default"),
            Column("fitted"),
            Column("place", form=".2f"),
            Column("alone", form=".2f"),
        ],
        [[u.name, str(u.default), str(u.fitted), u.place, u.alone] for u in found.unknowns],
    )
    return [
        cells,
        unknowns,
        Note("place: in the range, from 0 to 1. alone: the distance with this unknown fitted and no other."),
        *(Note(note) for note in found.notes),
        Note(f"{found.wall_s:.1f} s", dim=True),
    ]
