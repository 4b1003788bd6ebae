"""Predictions held against measurements: those that ship, or somebody's own."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.sim.validate.compared import Refused
from moe_cosim.sim.validate.csv_rows import CsvRow, read_csv
from moe_cosim.sim.validate.kind import Choices, MeasurementKind
from moe_cosim.sim.validate.kinds import KINDS
from moe_cosim.sim.validate.ranking import rankings
from moe_cosim.sim.validate.validated import Validated


def validate(kind: str = "", data: Path | None = None, choices: Choices | None = None) -> Validated:
    """Compare the rows of `data`, or of all that ships of `kind`, or of every kind.

    With `data` alone its columns say which kind it is. Raises `InputError` for an unknown kind, and for files with
    other columns, units or numbers than their kind has; rows that cannot be predicted are in `Validated.refused`.
    """
    if kind and kind not in KINDS:
        raise InputError("validate", "kind", kind, KINDS)
    if data is not None:
        chosen = {KINDS[kind] if kind else _kind_of(data): [data]}
    else:
        chosen = {each: _shipped(each.name) for each in ([KINDS[kind]] if kind else KINDS.values())}
    tables = {each: [row for path in paths for row in _read(each, path)] for each, paths in chosen.items()}
    found = Validated([], [], [], [])
    for each, rows in tables.items():
        single, twice = _without_repeats(each.name, rows)
        compared, refused = each.compare(single, choices or Choices())
        order = {(row.file, row.line): place for place, row in enumerate(rows)}
        found.rows.extend(compared)
        found.refused.extend(sorted([*refused, *twice], key=lambda one: order[one.row.file, one.row.line]))
        if each.ranked_within:
            found.rankings.extend(rankings(compared, each.ranked_within))
        found.assumptions.extend(each.assumptions)
    return found


def _shipped(kind: str) -> list[Path]:
    return sorted(Path(str(files("moe_cosim.sim.validate") / "data" / kind)).glob("*.csv"))


def _read(kind: MeasurementKind, path: Path) -> list[CsvRow]:
    return read_csv(path, kind.required, kind.optional)


def _kind_of(path: Path) -> MeasurementKind:
    """The kind whose columns the file has. Raises `InputError` for a file that has those of none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = {name.strip() for name in next(csv.reader(file), [])}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "file", what_failed(error), "a readable UTF-8 CSV file") from None
    for kind in KINDS.values():
        if header.issuperset(kind.required):
            return kind
    allowed = "; or ".join(f"{', '.join(kind.required)} ({kind.name})" for kind in KINDS.values())
    raise InputError(path, "line 1", Plain("columns of no kind" if header else "an empty file"), allowed)


def _without_repeats(kind: str, rows: Sequence[CsvRow]) -> tuple[list[CsvRow], list[Refused]]:
    """A row that says the same as one before it would count twice."""
    seen: dict[tuple[tuple[str, str], ...], CsvRow] = {}
    single, twice = [], []
    for row in rows:
        before = seen.setdefault(tuple(sorted(row.cells.items())), row)
        if before is row:
            single.append(row)
        else:
            twice.append(Refused(kind, row, f"the same as line {before.line} of {before.file.name}"))
    return single, twice
