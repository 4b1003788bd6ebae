"""Reports on a terminal of any width, and in pipes. Names are never cut, numbers never rounded to fit.

A table that is too wide loses the columns of least priority, and says which; if it still is, it is shown in
parts below each other that repeat its key columns; if one key and one value are too much, a line per value.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

import rich.box
import rich.table
from rich.align import Align
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from moe_cosim.escape import printable
from moe_cosim.sim.cli.table import Column, Note, Report, Table

_GAP: Final = 2
"""Between columns."""
_INDENT: Final = 2
"""Of rows below what they have in common."""
_PROSE_WIDTH: Final = 20
"""Narrower than this, text is hard to read."""
_PIPE_WIDTH: Final = 1_000_000
"""Nothing is ever too wide for a pipe."""


def stdout() -> Console:
    """The terminal with its width, or a pipe without one."""
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def draw(report: Report, console: Console) -> None:
    """Every part of `report`, from top to bottom, without blanks at the ends of lines. Tables without rows are
    left out."""
    with console.capture() as captured:
        for number, part in enumerate(report):
            if isinstance(part, Note):
                _draw_note(part, console)
            elif (part.view or part).rows:
                _draw_table(part.view or part, console, space_above=number > 0)
    for line in captured.get().splitlines():
        console.file.write(line.rstrip() + "\n")


def _draw_note(note: Note, console: Console) -> None:
    line = Text.assemble((f"{printable(note.name)}: " if note.name else "", "bold"), printable(note.text))
    console.print(line, style="dim" if note.dim else "")


@dataclass(frozen=True, eq=False)  # two columns may hold the same
class _Shown:
    """A column as text."""

    column: Column
    cells: Sequence[Text]
    numeric: bool

    @classmethod
    def of(cls, column: Column, values: list[object]) -> _Shown:
        style = column.style
        cells = [Text(column.text(value), style(value) if style is not None else "") for value in values]
        known = [value for value in values if value not in (None, "")]
        numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)
        return cls(column, cells, numeric and bool(known))

    def only(self, rows: Sequence[int]) -> _Shown:
        return _Shown(self.column, [self.cells[row] for row in rows], self.numeric)

    @property
    def heading(self) -> str:
        return printable(self.column.shown_heading)

    def least(self, headings: bool) -> int:
        """The narrowest it can be: headings are broken between words, and so are cells of prose."""
        heading = _longest_word(self.heading) if headings else 0
        widest = max((cell.cell_len for cell in self.cells), default=0)
        if self.column.role != "prose":
            return max(widest, heading)
        words = max((_longest_word(cell.plain) for cell in self.cells), default=0)
        return max(heading, min(widest, max(words, _PROSE_WIDTH)))

    def most(self, headings: bool) -> int:
        return max((cell_len(self.heading) if headings else 0, *(cell.cell_len for cell in self.cells)))


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _draw_table(table: Table, console: Console, space_above: bool) -> None:
    rows = table.shown_rows()
    shown = [_Shown.of(column, [row[index] for row in rows]) for index, column in enumerate(table.columns)]
    if space_above:
        console.print()
    if table.title:
        console.print(Text(printable(table.title), "bold"))
    group = next((each for each in shown if each.column.role == "group"), None)
    if group is None:
        _Layout(shown, None, table.headings, console).draw()
    elif table.headings:
        _Layout([each for each in shown if each is not group], group, True, console).draw()
    else:  # nothing that groups would have to stand below: each as narrow as it can be
        for _, members in groupby(range(len(rows)), key=lambda row: group.cells[row].plain):
            inside = list(members)
            columns = [each.only(inside) for each in shown if each is not group]
            _Layout(columns, group.only(inside), False, console).draw()


@dataclass(frozen=True)
class _Layout:
    """Columns, and the one that is said above its rows, on a console."""

    columns: list[_Shown]
    group: _Shown | None
    headings: bool
    console: Console

    @property
    def indent(self) -> int:
        return _INDENT if self.group is not None and self.headings else 0

    @property
    def width(self) -> int:
        return self.console.width - self.indent

    def draw(self) -> None:
        kept, dropped = self._drop()
        parts = self._parts(kept)
        if parts is None:
            self._draw_records()
            return
        for number, part in enumerate(parts):
            if number:
                self.console.print()
            self._draw_part(part)
        if dropped:
            names = ", ".join(each.heading for each in dropped)
            self.console.print(Text(f"too narrow for: {names} (all with --csv, --json or in a pipe)", "dim"))

    def _least(self, columns: Sequence[_Shown]) -> int:
        return sum(each.least(self.headings) for each in columns) + _GAP * (len(columns) - 1)

    def _drop(self) -> tuple[list[_Shown], list[_Shown]]:
        """What fits, and what had to go: of the largest priority number, the last one first."""
        kept = list(self.columns)
        while self._least(kept) > self.width and any(each.column.priority for each in kept):
            kept.remove(max(reversed(kept), key=lambda each: each.column.priority))
        return kept, [each for each in self.columns if each not in kept]

    def _parts(self, columns: list[_Shown]) -> list[list[_Shown]] | None:
        """Columns that fit beside each other, the key columns in every part; None where not even two fit."""
        if self._least(columns) <= self.width:
            return [columns]
        keys = [each for each in columns if each.column.role == "key"]
        others = [each for each in columns if each not in keys]
        for number in range(2, len(others) + 1):
            size = -(-len(others) // number)  # parts of equal size read best
            parts = [[*keys, *others[first : first + size]] for first in range(0, len(others), size)]
            if all(self._least(part) <= self.width for part in parts):
                return parts
        return None

    def _draw_part(self, columns: list[_Shown]) -> None:
        """One table; with groups one per group, all with the same widths."""
        widths = self._widths(columns)
        rows = range(len(columns[0].cells))
        if self.group is None:
            self.console.print(_grid(columns, widths, rows, self.headings))
            return
        said = self.group.cells
        if self.headings:
            self._print_indented(_grid(columns, widths, (), True))
        for name, members in groupby(rows, key=lambda row: said[row].plain):
            self.console.print(Text(name, "italic"), soft_wrap=True)
            self._print_indented(_grid(columns, widths, list(members), False))

    def _print_indented(self, grid: rich.table.Table) -> None:
        self.console.print(Padding(grid, (0, 0, 0, self.indent), expand=False))

    def _widths(self, columns: list[_Shown]) -> list[int]:
        """The least of each, then what is left over: to headings first, then to prose."""
        widths = [each.least(self.headings) for each in columns]
        left = self.width - self._least(columns)
        for prose in (False, True):
            for index, each in enumerate(columns):
                if (each.column.role == "prose") == prose:
                    more = min(left, each.most(self.headings) - widths[index])
                    widths[index] += more
                    left -= more
        return widths

    def _draw_records(self) -> None:
        """Row by row: its names on a line of their own, then a line per value. A name or number that is longer than
        the terminal is wide is left to the terminal to break."""
        keys = [each for each in self.columns if each.column.role == "key"]
        others = [each for each in self.columns if each not in keys]
        wide = max((cell_len(each.heading) for each in others), default=0) + _GAP if self.headings else 0
        last = None
        for row in range(len(self.columns[0].cells)):
            if self.group is not None and self.group.cells[row].plain != last:
                last = self.group.cells[row].plain
                self.console.print(Text(last, "italic"), soft_wrap=True)
            self.console.print(Text("  ").join(each.cells[row] for each in keys), soft_wrap=True)
            for each in others:
                label = Text(each.heading.ljust(wide) if self.headings else "", "dim")
                self._print_value(label, each.cells[row], prose=each.column.role == "prose")

    def _print_value(self, label: Text, cell: Text, prose: bool) -> None:
        room = self.console.width - 2 * _INDENT - label.cell_len
        if not prose or room < _PROSE_WIDTH:
            self.console.print(Text(" " * 2 * _INDENT).append_text(label).append_text(cell), soft_wrap=True)
            return
        grid = rich.table.Table.grid()
        grid.add_column(width=label.cell_len)
        grid.add_column(width=room)
        grid.add_row(label, cell)
        self.console.print(Padding(grid, (0, 0, 0, 2 * _INDENT), expand=False))


def _grid(columns: list[_Shown], widths: list[int], rows: Sequence[int], headings: bool) -> rich.table.Table:
    grid = rich.table.Table(
        box=rich.box.SIMPLE_HEAD if headings else None,
        show_header=headings,
        show_edge=False,
        pad_edge=False,
        padding=(0, _GAP - 1 if headings else _GAP, 0, 0),
    )
    for each, width in zip(columns, widths, strict=True):
        side: Literal["left", "right"] = "right" if each.numeric else "left"
        heading = Align(Text(each.heading, "bold"), side, vertical="bottom")
        grid.add_column(heading, justify=side, width=width)
    for row in rows:
        grid.add_row(*(each.cells[row] for each in columns))
    return grid
