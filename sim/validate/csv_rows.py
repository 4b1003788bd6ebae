"""Measurements from CSV, read strictly: what is wrong is one line with the file, the line and the column."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moe_cosim.errors import InputError, Plain, one_line, what_failed

FITTED: Final = "fitted"
"""A column of every kind: whether the row served to fit what predicts it. Rows without it did not."""
SOURCE: Final = "source"
"""Another: where the measurement was published."""

_MOST: Final = 10_000_000
_TRUTH: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}


@dataclass(frozen=True)
class CsvRow:
    """One line of a table: text by column, stripped; columns that the file lacks are not there."""

    file: Path
    line: int
    """As editors count, the header being line 1."""
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """Empty where the file lacks the column."""
        return self.cells.get(column, "")

    def positive(self, column: str) -> float:
        """A measurement or size. Raises `InputError` for text, NaN, infinity, zero and less."""
        try:
            value = float(self.text(column))
        except ValueError:
            raise self.error(column, "a positive number") from None
        if not (math.isfinite(value) and value > 0):
            raise self.error(column, "a positive number")
        return value

    def count(self, column: str) -> int:
        """A positive whole number, not beyond anything that was ever measured."""
        value = self.positive(column)
        if value > _MOST or value != int(value):
            raise self.error(column, f"a positive whole number up to {_MOST:,}")
        return int(value)

    @property
    def fitted(self) -> bool:
        """What the column ``fitted`` says: whether a constant saw this row."""
        return self.truth(FITTED)

    def truth(self, column: str) -> bool:
        """False where nothing stands. Raises `InputError`."""
        said = self.text(column).lower()
        if said not in _TRUTH:
            raise self.error(column, "true or false")
        return _TRUTH[said]

    def error(self, column: str, allowed: str | Collection[str]) -> InputError:
        """What is to be raised about a cell: it names file, line and column."""
        found = self.text(column)
        shown = found if found else Plain("nothing")
        return InputError(self.file, f"line {self.line}, {column}", shown, allowed)


def read_csv(path: Path, required: Collection[str], optional: Collection[str]) -> list[CsvRow]:
    """Every line of the CSV file `path`, whose header has all of `required` and nothing but those and `optional`.

    Raises `InputError` for a file that cannot be read or is empty, for other columns or one twice, and for lines of
    another length than the header.
    """
    lines = _lines(path)
    if not lines:
        raise InputError(path, "line 1", Plain("an empty file"), f"a header with {', '.join(required)}")
    header = [name.strip() for name in lines[0][1]]
    legal = [*required, *(name for name in (*optional, FITTED, SOURCE) if name not in required)]
    for name in header:
        if name not in legal:
            raise InputError(path, f"line 1, {one_line(name)}", Plain("an unknown column"), legal)
        if header.count(name) > 1:
            raise InputError(path, f"line 1, {one_line(name)}", Plain("this column twice"), "every column once")
    for name in required:
        if name not in header:
            raise InputError(path, f"line 1, {name}", Plain("no such column"), f"all of {', '.join(required)}")
    if len(lines) == 1:
        raise InputError(path, "line 2", Plain("no rows"), "at least one row below the header")
    return [_row(path, line, header, values) for line, values in lines[1:]]


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """(number, values) of all lines but blank ones."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, "file", what_failed(error), "a readable UTF-8 CSV file") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found = []
    try:
        begins = 1
        for values in reader:
            if any(value.strip() for value in values):
                found.append((begins, values))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise InputError(path, f"line {reader.line_num}", Plain(str(error)), "comma-separated values") from None
    return found


def _row(path: Path, line: int, header: list[str], values: list[str]) -> CsvRow:
    if len(values) != len(header):
        found = Plain(f"{len(values)} values")
        raise InputError(path, f"line {line}, {header[min(len(values), len(header) - 1)]}", found, f"{len(header)}")
    return CsvRow(path, line, {name: value.strip() for name, value in zip(header, values, strict=True)})
