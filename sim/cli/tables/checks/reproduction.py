"""What ``moe-cosim reproduce`` shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


def reproductions_report(outcomes: Sequence[Reproduced]) -> Report:
    """The cells of several in one table."""
    runs, events, wall_s = (sum(getattr(one, name) for one in outcomes) for name in ("runs", "events", "wall_s"))
    return [
        _all_cells(outcomes),
        Note(f"{len(outcomes)} reproductions, {runs} runs, {events:,} events, {wall_s:.1f} s", dim=True),
    ]


def _cells(outcome: Reproduced) -> Table:
    """A row per cell; with several seeds also what they span. People see cells of one figure together."""
    numbers, seeds = _numbers(outcome.cells)
    shown = [Column("figure", role="group"), Column("cell", role="key"), *numbers]
    columns = [*shown, *seeds]
    view = Table("cells", outcome.title, shown, _rows(_together(outcome.cells), shown))
    return Table("cells", outcome.title, columns, _rows(outcome.cells, columns), view=view)


def _all_cells(outcomes: Sequence[Reproduced]) -> Table:
    """A row per cell of each; people see those of one figure together."""
    numbers, seeds = _numbers([cell for outcome in outcomes for cell in outcome.cells])
    columns = [Column("reproduction"), Column("figure"), Column("cell"), *numbers, *seeds]
    rows = [[one.name, *row] for one in outcomes for row in _rows(one.cells, columns[1:])]
    shown = [Column("figure", role="group"), Column("cell", role="key"), *numbers]
    seen = [[f"{one.name}: {figure}", *row] for one in outcomes for figure, *row in _rows(_together(one.cells), shown)]
    title = "all reproductions"
    return Table("cells", title, columns, rows, view=Table("cells", title, shown, seen))


def _numbers(cells: Sequence[Cell]) -> tuple[list[Column], list[Column]]:
    """The columns of numbers that `cells` have, and those that a note says to people."""
    added_up = any(cell.arithmetic is not None for cell in cells)
    columns = [
        Column("published", form=".5g"),
        *((Column("arithmetic", heading="paper's arithmetic", form=".4g"),) if added_up else ()),
        Column("simulated", form=".4g"),
        Column("ratio", form=".2f", style=lambda ratio: "green" if abs(ratio - 1) <= CLOSE else "yellow"),
        *((Column("misfit"),) if added_up else ()),
    ]
    if any(cell.others for cell in cells):
        return [*columns, *(Column(name, form=".4g") for name in ("median", "low", "high"))], [Column("seeds")]
    if any(cell.interval for cell in cells):
        return [*columns, *(Column(name, form=".4g") for name in ("low", "high"))], []
    return columns, []


def _together(cells: Sequence[Cell]) -> list[Cell]:
    """Those of one figure beside each other."""
    figures = list(dict.fromkeys(cell.figure for cell in cells))
    return sorted(cells, key=lambda cell: figures.index(cell.figure))


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
