"""What ``moe-cosim list`` shows."""

from __future__ import annotations

from collections.abc import Mapping

from moe_cosim.sim.cli.table import Column, Note, Report, Table


def listing_report(found: Mapping[str, Mapping[str, str]]) -> Report:
    """Names with their line, under their kind."""
    columns = (Column("kind", role="group"), Column("name", role="key"), Column("summary", role="prose"))
    rows = [(kind, name, line) for kind, entries in found.items() for name, line in entries.items()]
    nothing = [Note("nothing", kind) for kind, entries in found.items() if not entries]
    return [Table("entries", "", columns, rows, headings=False), *nothing]
