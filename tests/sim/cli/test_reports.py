"""Every table of every command: readable at 80 and 60 columns and in a pipe, and the same rows as CSV and JSON."""

from __future__ import annotations

import csv
import json
import os
import struct
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import click
import pytest
from rich.cells import cell_len
from rich.console import Console

import moe_cosim
from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_with_origins
from moe_cosim.hw_models.catalog import entries
from moe_cosim.sim.cli.listing import listing, registry_of
from moe_cosim.sim.cli.main import main
from moe_cosim.sim.cli.progress import progress_bar, watching
from moe_cosim.sim.cli.table import Column, Report, Table
from moe_cosim.sim.cli.tables.checks.reproduction import reproduction_report, reproductions_report
from moe_cosim.sim.cli.tables.parts.description import description_document, description_report
from moe_cosim.sim.cli.tables.parts.machine import machine_report
from moe_cosim.sim.cli.tables.parts.model import model_document, model_report
from moe_cosim.sim.cli.terminal import draw
from moe_cosim.sim.reproduce.base import Reproduced
from moe_cosim.sim.sweep.pool import local
from tests.drawn import one_in
from tests.sim.cli.sample_reports import ODD, REPORTS, outcome_of_reproduction, plug_in
from tests.sim.tiny import Tiny, cli

NARROW = 60
WITHOUT_TABLES = ("sweep run", "collect", "replay", "trace", "report", "sweep report")
PIPE = 1_000_000
ROOT = Path(moe_cosim.__file__).parent.parent


def _drawn(report: Report, width: int) -> str:
    file = StringIO()
    draw(report, Console(file=file, width=width, highlight=False, markup=False))
    return file.getvalue()


def _check(table: Table, width: int) -> None:
    """Names and numbers are whole, and beside each other: in one line, in parts below each other where it must be,
    or (names as long as the terminal is wide) in a line for the names and one for each value."""
    text = _drawn([table], width)
    lines = text.splitlines()
    assert all(cell_len(line) <= width for line in lines)
    seen = table.view or table
    said = " ".join(text.split())
    gone = said.partition("too narrow for: ")[2].partition(" (all with")[0].split(", ")
    kept = [index for index, column in enumerate(seen.columns) if column.shown_heading not in gone]
    assert len(kept) == len(seen.columns) or width < PIPE
    keys = [index for index in kept if seen.columns[index].role == "key"]
    for row in seen.shown_rows():
        names = [seen.columns[index].text(row[index]) for index in keys]
        mine = [line for line in lines if all(name in line for name in names)]
        for index in kept:
            column: Column = seen.columns[index]
            shown = column.text(row[index])
            if column.role == "value":
                labelled = f"{column.shown_heading} {shown}"
                alone = any(" ".join(line.split()) == labelled for line in lines)
                assert alone or any(shown in line for line in mine), (shown, names, text)
            elif column.role == "group":
                assert any(line.strip() == shown for line in lines), (shown, text)
            elif width == PIPE:
                assert any(shown in line for line in mine), (shown, names)
            else:
                assert all(word in text for word in shown.split())


@pytest.mark.parametrize("width", [80, NARROW, PIPE])
@pytest.mark.parametrize("command", REPORTS)
def test_tables_are_whole_at_any_width(command: str, width: int, tiny: Tiny) -> None:
    report = REPORTS[command](tiny)
    _check_tables(report, width)
    for part in report:
        if not isinstance(part, Table):
            assert part.text.split()[0] in _drawn([part], width)
            assert width < PIPE or _drawn([part], width).count("\n") == 1


@pytest.mark.parametrize("width", [80, NARROW, PIPE])
def test_cells_of_several_seeds_are_whole_at_any_width(width: int) -> None:
    outcome = outcome_of_reproduction()
    report = reproduction_report(replace(outcome, cells=[replace(cell, others=(8.25, 9.5)) for cell in outcome.cells]))
    _check_tables(report, width)
    cells = next(part for part in report if isinstance(part, Table))
    assert [cells.records()[0][name] for name in ("median", "low", "high", "seeds")] == [9.126, 8.25, 9.5, 3]
    if width == PIPE:
        assert all(name in _drawn([cells], width) for name in ("median", "low", "high"))


@pytest.mark.parametrize("machine", one_in(6, [entry.name for entry in entries("machine")]))
def test_machines_are_whole_on_a_narrow_terminal(machine: str) -> None:
    _check_tables(machine_report(*build_with_origins(machine, Assumptions())), NARROW)


def test_what_show_prints_is_whole_on_a_narrow_terminal() -> None:
    for name in listing("models")["models"]:
        _check_tables(model_report(model_document(name)), NARROW)
    for kind in ("device", "link", "dram", "isa", "software"):
        plural = kind if kind in ("dram", "software") else f"{kind}s"
        for name in listing(plural)[plural]:
            _check_tables(description_report(description_document(kind, name)), NARROW)
    for kind in ("policy", "router", "engine", "allocator", "scheduler", "format", "unit-model"):
        for name, _ in registry_of(kind):
            _check_tables(plug_in(kind, name), NARROW)


def _check_tables(report: Report, width: int) -> None:
    for part in report:
        if isinstance(part, Table) and part.rows:
            _check(part, width)


# -- what commands promise ---------------------------------------------------------------------------


def _command(name: str) -> click.Command:
    found: click.Command = main
    for word in name.split():
        assert isinstance(found, click.Group)
        found = found.commands[word]
    return found


def _promised(name: str) -> list[str]:
    """Of ``--table``, or the one table of a command that has ``--csv`` alone."""
    options = {option.name: option for option in _command(name).params}
    if "table" not in options:
        return ["the only one"] if "as_csv" in options else []
    kind = options["table"].type
    assert isinstance(kind, click.Choice)
    return list(kind.choices)


@pytest.mark.parametrize("command", REPORTS)
def test_a_command_has_the_tables_that_its_options_name(command: str, tiny: Tiny) -> None:
    names = [part.name for part in REPORTS[command](tiny) if isinstance(part, Table)]
    promised = _promised(command)
    assert len(names) == 1 if promised == ["the only one"] else sorted(names) == sorted(promised)
    assert "as_json" in [option.name for option in _command(command).params]


@pytest.mark.parametrize("command", [name for name in REPORTS if name not in WITHOUT_TABLES])
def test_csv_is_the_rows_of_json(command: str, tiny: Tiny) -> None:
    for table in (part for part in REPORTS[command](tiny) if isinstance(part, Table)):
        file = StringIO()
        table.write_csv(file)
        rows = json.loads(json.dumps(table.records(), allow_nan=False))
        found = list(csv.DictReader(StringIO(file.getvalue(), newline="")))
        assert len(found) == len(rows) == len(table.rows)
        for each, row in zip(found, rows, strict=True):
            assert each == {name: "" if value is None else _text(value) for name, value in row.items()}


def _text(value: Any) -> str:
    assert isinstance(value, str | int | float), value  # one value per cell, no list or mapping
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_options_choose_the_table(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moe_cosim.sim.reproduce.reproduce", lambda *_: outcome_of_reproduction())
    document = json.loads(cli("reproduce", "odd", "--json").stdout)
    chosen = json.loads(cli("reproduce", "odd", "--json", "--table", "sensitivity").stdout)
    assert chosen == document["sensitivity"]
    assert cli("reproduce", "odd", "--csv").stdout == cli("reproduce", "odd", "--csv", "--table", "cells").stdout
    rows = list(csv.DictReader(StringIO(cli("reproduce", "odd", "--csv", "--table", "sensitivity").stdout)))
    assert [{**row, "simulated": float(row["simulated"])} for row in rows] == [
        {**row, "value": str(row["value"])} for row in chosen
    ]
    only = cli("reproduce", "odd", "--table", "assumptions").stdout
    assert "hobbit-low-precision-share" in only
    assert "published" not in only


def test_all_reproductions_are_one_table_and_in_json_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []

    def reproduce(name: str, workers: int | None, sensitivity: bool, *_: object) -> Reproduced:
        asked.append((name, sensitivity))
        return replace(outcome_of_reproduction(), name=name)

    monkeypatch.setattr("moe_cosim.sim.reproduce.reproduce", reproduce)
    monkeypatch.setattr("moe_cosim.sim.reproduce.reproductions", lambda: {"odd": None, "even": None})
    document = json.loads(cli("reproduce", "all", "--json").stdout)
    assert [one["name"] for one in document] == ["odd", "even"]
    rows = list(csv.DictReader(StringIO(cli("reproduce", "all", "--csv").stdout)))
    assert [row["reproduction"] for row in rows[:: len(rows) // 2]] == ["odd", "even"]
    assert [row["published"] for row in rows] == 2 * [str(cell["published"]) for cell in document[0]["cells"]]
    assert asked == [("odd", True), ("even", True), ("odd", False), ("even", False)]
    _check_tables(reproductions_report([outcome_of_reproduction()]), NARROW)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--fit",), "--fit: found all; allowed: one reproduction, by its name"),
        (("--model", "a", "--texts", "b"), "--model: found all; allowed: one reproduction, by its name"),
        (("--table", "sensitivity"), "--table: found 'sensitivity'; allowed: cells of all"),
    ],
)
def test_what_all_reproductions_cannot_do_is_refused(arguments: tuple[str, ...], said: str) -> None:
    done = cli("reproduce", "all", *arguments)
    assert (done.exit_code, done.stderr) == (2, f"moe-cosim: command line: {said}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "--csv", "--json"), "moe-cosim: command line: --csv, --json: found both; allowed: one of them\n"),
        (("compare", "a", "b", "--table", "links"), "'links' is not one of 'headline', 'speedups',"),
        (("list", "--table", "entries"), "No such option"),
    ],
)
def test_what_cannot_be_printed_is_refused(arguments: tuple[str, ...], said: str) -> None:
    found = cli(*arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert said in found.stderr


def test_results_of_runs_can_stand_below_each_other(tiny: Tiny) -> None:
    first, second = (cli("run", tiny.path, "--csv", "--set", f"seed={seed}").stdout.splitlines() for seed in (1, 2))
    assert first[0] == second[0]
    assert len(first) == len(second) == 2


# -- the terminal itself -----------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_the_width_is_that_of_the_terminal() -> None:
    import fcntl
    import termios

    reader, writer = os.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 60, 0, 0))
    command = [sys.executable, "-m", "moe_cosim", "show", "h100-cxl-ndp"]
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    environment |= {"PYTHONPATH": str(ROOT), "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer) as child:
        os.close(writer)
        shown = b""
        while piece := _read(reader):
            shown += piece
    os.close(reader)
    lines = [line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in shown.decode().splitlines()]
    assert child.returncode == 0
    assert max(cell_len(line) for line in lines if "\x1b" not in line) in range(50, 61)


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_a_pipe_has_no_width() -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "20"}
    command = [sys.executable, "-m", "moe_cosim", "list", "policies"]
    child = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert child.stdout == cli("list", "policies").stdout


@pytest.mark.parametrize("bar", [progress_bar, watching])
def test_progress_shows_names_in_brackets(
    bar: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with bar(ODD) as update:
        update(local.Pace(1, 2, 0, 1.0, 1.0) if bar is watching else 0.5)
    assert "[/b]" in capsys.readouterr().err
