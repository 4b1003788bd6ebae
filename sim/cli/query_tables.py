"""A query's rows on standard output."""

from __future__ import annotations

import csv
import json
import sys
from typing import Any, Final

from rich.console import Console
from rich.table import Table

_ROWS_SHOWN: Final = 50
_COLUMNS_SHOWN: Final = 12
_PIPE_WIDTH: Final = 200


def print_csv(found: Any) -> None:
    """All rows, with a header line."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(found.columns)
    writer.writerows(found.fetchall())


def print_json(found: Any) -> None:
    """A list of objects; values that JSON lacks, such as NaN, become null or text."""
    rows = [dict(zip(found.columns, map(_plain, each), strict=True)) for each in found.fetchall()]
    json.dump(rows, sys.stdout, indent=2, default=str, allow_nan=False)
    sys.stdout.write("\n")


def print_table(found: Any) -> None:
    """What fits a terminal; the rest is counted."""
    columns = found.columns
    shown = columns[:_COLUMNS_SHOWN]
    table = Table()
    for name in shown:
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    rows = found.fetchall()
    for each in rows[:_ROWS_SHOWN]:
        table.add_row(*(_cell(value) for value in each[: len(shown)]))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    console.print(table)
    more = max(len(rows) - _ROWS_SHOWN, 0)
    if more or len(columns) > len(shown):
        console.print(f"{more} more rows, {len(columns) - len(shown)} more columns; --csv and --json print all")


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))) else value


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
