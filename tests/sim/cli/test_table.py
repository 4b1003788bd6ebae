"""Tables of any content on terminals of any width, in pipes, as CSV and as JSON."""

from __future__ import annotations

import csv
import json
from io import StringIO
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from moe_cosim.sim.cli.table import Column, Note, Table, printable, write_json
from moe_cosim.sim.cli.terminal import draw

NAMES = st.sampled_from(
    [
        "read-one-stream-4KiB",
        "[bold]x[/bold]",
        "[/]",
        "ndp0.core",
        "深度-专家-模型",
        "ʎ",
        "a b",
        "policy:smile:",
        "x\ny",
        "",
    ]
)
FLOATS = st.one_of(st.floats(-1e12, 1e12), st.sampled_from([float("nan"), float("inf"), -float("inf")]))
NUMBERS = st.one_of(st.integers(-(10**12), 10**12), FLOATS, st.none())
VALUES = st.one_of(NAMES, NUMBERS, st.booleans())
UNITS = st.sampled_from(["", "ps", "s", "bytes", "bytes/s", "share"])
PROSE = st.lists(st.sampled_from(["a", "word", "considerably", "[red]", "10.55"]), max_size=30).map(" ".join)


@st.composite
def tables(draw_: st.DrawFn) -> Table:
    columns = [Column("name", role="key")]
    rows = draw_(st.integers(1, 4))
    cells: list[list[Any]] = [[draw_(NAMES) for _ in range(rows)]]
    for number in range(draw_(st.integers(0, 6))):
        numeric = draw_(st.booleans())
        unit = draw_(UNITS) if numeric else ""
        columns.append(Column(f"value_{number}", unit=unit, priority=draw_(st.integers(0, 2))))
        cells.append([draw_(NUMBERS if numeric else VALUES) for _ in range(rows)])
    if draw_(st.booleans()):
        columns.append(Column("source", role="prose"))
        cells.append([draw_(PROSE) for _ in range(rows)])
    if draw_(st.booleans()):
        columns.append(Column("figure", role="group"))
        cells.append([draw_(NAMES) for _ in range(rows)])
    return Table("some", "Some [b]figures[/b]", columns, list(zip(*cells, strict=True)), None, draw_(st.booleans()))


def drawn(*parts: Table | Note, width: int) -> str:
    file = StringIO()
    draw(parts, Console(file=file, width=width, highlight=False, markup=False))
    return file.getvalue()


@settings(max_examples=150, deadline=None)
@given(tables(), st.sampled_from([10, 30, 60, 80, 100_000]))
def test_nothing_is_broken_or_cut_at_any_width(table: Table, width: int) -> None:
    text = drawn(table, width=width)
    lines = text.splitlines()
    said = " ".join(text.split())
    gone = "too narrow for: " in said
    assert not gone or width < 100_000
    for index, column in enumerate(table.columns):
        if gone and column.priority:
            continue
        for row in table.rows:
            shown = column.text(row[index])
            if column.role == "prose":
                assert all(word in said for word in shown.split())
            else:
                assert any(shown in line for line in lines), (shown, text)


@settings(max_examples=100, deadline=None)
@given(tables(), st.sampled_from([60, 80]))
def test_lines_fit_where_two_columns_do(table: Table, width: int) -> None:
    assert all(cell_len(line) <= width for line in drawn(table, width=width).splitlines())


@settings(max_examples=100, deadline=None)
@given(tables())
def test_csv_holds_the_rows_of_json(table: Table) -> None:
    as_csv, as_json = StringIO(), StringIO()
    table.write_csv(as_csv)
    write_json(table.records(), as_json)
    rows = json.loads(as_json.getvalue(), parse_constant=lambda name: (_ for _ in ()).throw(AssertionError(name)))
    text = {None: "", True: "true", False: "false"}
    expected = [
        {name: text[value] if value is None or isinstance(value, bool) else str(value) for name, value in row.items()}
        for row in rows
    ]
    assert list(csv.DictReader(StringIO(as_csv.getvalue(), newline=""))) == expected


def test_columns_of_low_priority_go_first_and_are_named() -> None:
    columns = [Column("name", role="key"), Column("kind", priority=2), Column("busy", priority=1), Column("share")]
    table = Table("t", "t", columns, [("a" * 20, "k" * 20, "b" * 20, "s" * 20)])
    assert "too narrow" not in drawn(table, width=86)
    assert "too narrow for: kind (" in drawn(table, width=85)
    assert "too narrow for: kind, busy (" in drawn(table, width=60)


def test_many_columns_stand_in_parts_below_each_other() -> None:
    columns = [Column("name", role="key"), *(Column(f"cell{number}") for number in range(6))]
    table = Table("t", "t", columns, [("ndp0.core", *(10.0**number for number in range(6)))])
    lines = drawn(table, width=36).splitlines()
    assert sum(line.startswith("ndp0.core") for line in lines) > 1
    assert all(any(f"cell{number}" in line for line in lines) for number in range(6))


def test_rows_that_are_not_shown_are_summed() -> None:
    columns = [Column("unit", role="key"), Column("seconds", unit="s", adds=True), Column("bound")]
    table = Table("t", "t", columns, [("a", 1.0, "x"), ("b", 2.0, "y"), ("c", 3.0, "z")], shown=1)
    last = drawn(table, width=80).splitlines()[-1].split()
    assert last == ["2", "more", "5", "s"]
    assert len(table.records()) == 3


def test_notes_are_no_markup_and_stay_on_their_line_in_a_pipe() -> None:
    assert drawn(Note("[red] " + "word " * 100, "[b]n"), width=100_000).count("\n") == 1
    assert drawn(Note("[red]x", "[b]n"), width=80) == "[b]n: [red]x\n"


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    assert len(printable(text).splitlines()) <= 1
