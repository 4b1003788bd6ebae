"""What ``moe-cosim reproduce`` shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from moe_cosim.sim.cli.table import Column, Note, Report, Table
from moe_cosim.sim.cli.tables.results.assumptions import assumptions_table
from moe_cosim.sim.reproduce.base import Reproduced
from moe_cosim.sim.reproduce.cell import CLOSE, Cell


def reproduction_report(outcome: Reproduced) -> Report:
    """Published beside simulated, assumptions, sensitivity."""
    return [
        _cells(outcome),
        assumptions_table(outcome.assumptions),
        _sensitivity(outcome.sensitivity),
        *(Note(note) for note in outcome.notes),
        Note(f"{outcome.runs} runs, {outcome.events:,} events, {outcome.wall_s:.1f} s", dim=True),
    ]


def _cells(outcome: Reproduced) -> Table:
    """A row per cell; with several seeds also what they span. People see cells of one figure together."""
    added_up = any(cell.arithmetic is not None for cell in outcome.cells)
    shown = [
        Column("figure", role="group"),
        Column("cell", role="key"),
        Column("published", form="g"),
        *((Column("arithmetic", heading="paper's arithmetic", form=".4g"),) if added_up else ()),
        Column("simulated", form=".4g"),
        Column("ratio", form=".2f", style=lambda ratio: "green" if abs(ratio - 1) <= CLOSE else "yellow"),
        *((Column("misfit"),) if added_up else ()),
    ]
    columns = shown
    if any(cell.others for cell in outcome.cells):
        shown = [*shown, *(Column(name, form=".4g") for name in ("median", "low", "high"))]
        columns = [*shown, Column("seeds")]  # a note says it to people
    elif any(cell.interval for cell in outcome.cells):
        columns = shown = [*shown, *(Column(name, form=".4g") for name in ("low", "high"))]
    figures = list(dict.fromkeys(cell.figure for cell in outcome.cells))
    together = sorted(outcome.cells, key=lambda cell: figures.index(cell.figure))
    view = Table("cells", outcome.title, shown, _rows(together, shown))
    return Table("cells", outcome.title, columns, _rows(outcome.cells, columns), view=view)


def _rows(cells: Iterable[Cell], columns: Iterable[Column]) -> list[list[Any]]:
    return [[getattr(cell, column.name) for column in columns] for cell in cells]


def _sensitivity(rows: Iterable[Mapping[str, Any]]) -> Table:
    """A row per assumption, value and cell; people see one line per value and one column per cell."""
    title = "sensitivity (one assumption at a time)"
    names = ("assumption", "value", "cell", "simulated")
    long = [[row[name] for name in names] for row in rows]
    cells = list(dict.fromkeys(cell for _, _, cell, _ in long))
    lines: dict[tuple[str, str], dict[str, float]] = {}
    for assumption, value, cell, simulated in long:
        lines.setdefault((assumption, str(value)), {})[cell] = simulated
    columns = (
        Column("assumption", role="group"),
        Column("value", role="key"),
        *(Column(cell, heading=cell, form=".2f") for cell in cells),
    )
    wide = [(*name, *(found.get(cell) for cell in cells)) for name, found in lines.items()]
    view = Table("sensitivity", title, columns, wide)
    return Table("sensitivity", title, [Column(name) for name in names], long, view=view)
