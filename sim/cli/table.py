"""A table as data: what the terminal, CSV and JSON show of the same typed rows."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, TextIO

from moe_cosim.escape import printable
from moe_cosim.quantity import format_quantity

Role = Literal["key", "value", "prose", "group"]
"""What a column is in its row. ``key``: names the row, and is repeated where a table is shown in parts. ``value``:
one number or word. ``prose``: text that may be broken between words. ``group``: said once, above the rows it has."""

_PS_PER_S: Final = 1e12


@dataclass(frozen=True)
class Column:
    """One column; `name` is its header in CSV and its key in JSON, with the unit (``busy_s``)."""

    name: str
    heading: str = ""
    """On the terminal; default: the name with spaces."""
    unit: str = ""
    """Of the values: ``ps``, ``s``, ``bytes``, ``bytes/s``, ``J``, ``W`` are scaled for people, ``share``
    becomes percent."""
    form: str = ""
    """Format specification of the number, as ``.4g``."""
    role: Role = "value"
    priority: int = 0
    """On a narrow terminal columns of the largest number go first; those of 0 stay."""
    adds: bool = False
    """Whether values of rows not shown can be summed."""
    style: Callable[[Any], str] | None = None
    """The colour of a value."""

    @property
    def shown_heading(self) -> str:
        """What stands above it for people."""
        return self.heading or self.name.replace("_", " ")

    def text(self, value: Any) -> str:
        """`value` for people, on one line."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return "-"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int | float | Decimal):
            return self._number(value)
        return printable(str(value))

    def _number(self, value: float | Decimal) -> str:
        match self.unit:
            case "share":
                return f"{100 * value:{self.form or '.1f'}} %"
            case "s":
                return format_quantity(float(value) * _PS_PER_S, "ps")
            case "ps" | "bytes" | "bytes/s" | "Hz" | "op/s" | "J" | "W":
                return format_quantity(float(value), self.unit)
        form = self.form or ("," if isinstance(value, int) else ".6g")
        return f"{value:{form}} {self.unit}".rstrip()


@dataclass(frozen=True)
class Table:
    """`name` is what ``--table`` calls it; `rows` hold a value per column: text, a number, a truth or None."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    shown: int | None = None
    """Rows that people see; the rest is one row of sums. CSV and JSON have all."""
    headings: bool = True
    view: Table | None = None
    """The same figures arranged for people."""

    def records(self) -> list[dict[str, Any]]:
        """What JSON holds: a mapping per row; numbers that JSON lacks (NaN, infinity) are None."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, map(_plain, row), strict=True)) for row in self.rows]

    def write_csv(self, file: TextIO) -> None:
        """A header, then all rows; None is empty, truth is ``true`` and ``false``. No other rounding than Python's."""
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        writer.writerows([_csv_text(_plain(value)) for value in row] for row in self.rows)

    def shown_rows(self) -> list[list[Any]]:
        """The rows that people see, the last one for those they do not."""
        rows = [list(row) for row in self.rows[: self.shown]]
        rest = self.rows[len(rows) :]
        if rest:
            sums: list[Any] = [
                sum(row[index] or 0 for row in rest) if column.adds else "" for index, column in enumerate(self.columns)
            ]
            sums[0] = f"{len(rest):,} more"
            rows.append(sums)
        return rows


@dataclass(frozen=True)
class Note:
    """A line between tables. `name` stands bold before the text."""

    text: str
    name: str = ""
    dim: bool = False


Report = Sequence[Table | Note]
"""What a command shows people, from top to bottom."""


def write_json(document: Any, file: TextIO) -> None:
    """Strict JSON: no NaN. What JSON has no type for (dates of a query) is text."""
    json.dump(document, file, indent=2, default=str, allow_nan=False)
    file.write("\n")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):  # of a query: a struct, or a map with keys of any type
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv_text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
