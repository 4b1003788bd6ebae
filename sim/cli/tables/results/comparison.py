"""What ``moe-cosim compare`` shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from moe_cosim.sim.cli.table import Column, Note, Report, Table
from moe_cosim.sim.compare import RunComparison

_ROWS: Final = 14


def comparison_report(found: RunComparison) -> Report:
    """The largest changes first."""
    steps, layers = "of a decode step", "per layer and step"
    return [
        Note(found.a, "A"),
        Note(found.b, "B"),
        _headline(found),
        _table("critical_path", f"critical path {steps}", found.critical_path, ("unit", "purpose", "bound"), "s"),
        _table("energy", "energy per generated token", found.energy, ("component", "cause"), "J"),
        _table("units", "idle in decode", found.units, ("unit",), "share"),
        _table("moves", "moved (experts per decode step)", found.moves, ("what",), "bytes"),
        _table("experts", f"experts run {layers}", found.experts, ("class", "unit"), "", ".2f"),
        *(Note(sentence) for sentence in found.changed),
    ]


def _headline(found: RunComparison) -> Table:
    columns = (Column("what", role="key"), Column("a", "A", form=".4g"), Column("b", "B", form=".4g"))
    ratio = Column("ratio", "B / A", form=".3f")
    rows = [
        (row["what"], row["a"], row["b"], row["b"] / row["a"] if row["a"] and row["b"] is not None else None)
        for row in found.headline
    ]
    known = [row for row in rows if row[1] is not None and row[2] is not None]
    view = Table("headline", "", (*columns, ratio), known)
    return Table("headline", "", (*columns, ratio), rows, view=view)


def _table(
    name: str, title: str, rows: Sequence[Mapping[str, Any]], keys: tuple[str, ...], unit: str, form: str = ""
) -> Table:
    columns = (
        *(Column(key, role="key") for key in keys),
        Column("a", "A", unit, form),
        Column("b", "B", unit, form),
        Column("change", "B - A", unit, f"+{form}" if form or unit != "share" else "+.1f"),
    )
    body = [(*(row[key] for key in keys), row["a"], row["b"], row["b"] - row["a"]) for row in rows]
    view = Table(name, title, columns, body[:_ROWS])
    return Table(name, title, columns, body, view=view)
