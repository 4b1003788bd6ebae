"""The table of assumptions that results, reproductions and machines have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from moe_cosim.sim.cli.table import Column, Table


def assumptions_table(assumptions: Iterable[Mapping[str, Any]], reasons: bool = False) -> Table:
    """Rows as `Assumption.as_dict` gives them; people see the reasons where `reasons` says so."""
    columns = (
        Column("name", role="key"),
        Column("value"),
        Column("range", role="prose"),
        Column("source", role="prose"),
    )
    rows = [(row["name"], str(row["value"]), " … ".join(map(str, row["range"])), row["source"]) for row in assumptions]
    view = None if reasons else Table("assumptions", "assumptions", columns[:3], [row[:3] for row in rows])
    return Table("assumptions", "assumptions", columns, rows, view=view)
