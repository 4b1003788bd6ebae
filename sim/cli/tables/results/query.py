"""What ``moe-cosim results`` shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from moe_cosim.sim.cli.table import Column, Note, Report, Table

_ROWS_SHOWN: Final = 50
_COLUMNS_SHOWN: Final = 12


def query_table(found: Any) -> Table:
    """All rows of a DuckDB relation. Its first column names them."""
    columns = [Column(name, heading=name, role="value" if index else "key") for index, name in enumerate(found.columns)]
    return Table("results", "", columns, found.fetchall())


def query_report(table: Table) -> Report:
    """What people can take in; the rest is counted."""
    rows = [row[:_COLUMNS_SHOWN] for row in table.rows[:_ROWS_SHOWN]]
    shown = replace(table, columns=table.columns[:_COLUMNS_SHOWN], rows=rows)
    more_rows, more_columns = len(table.rows) - len(rows), len(table.columns) - len(shown.columns)
    if not rows:
        return [Note(f"no rows ({', '.join(column.name for column in table.columns)})")]
    if more_rows or more_columns:
        return [shown, Note(f"{more_rows} more rows, {more_columns} more columns; --csv and --json print all")]
    return [shown]
