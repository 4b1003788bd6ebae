"""A device, link, DRAM standard or routing preset: every field of its file, and who says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from moe_cosim.hw_models import catalog
from moe_cosim.sim.cli.table import Column, Note, Report, Table

_PROSE: Final = ("source", "validated")
"""Fields that say where the others are from."""


def description_document(kind: str, name: str) -> dict[str, Any]:
    """Of a description of the catalogue or a file. Raises `InputError`."""
    path = catalog.find(name, kind, "show")
    tree = catalog.read(path, kind)
    title = str(tree.pop("title", ""))
    return {"kind": kind, "name": path.stem, "title": title, "fields": list(_fields(tree, path))}


def _fields(tree: Mapping[str, Any], path: Path, prefix: str = "") -> Iterator[dict[str, Any]]:
    """Leaves by dotted path. An assumption stands with its default."""
    shared, _ = catalog.shared_assumptions()
    for name, node in tree.items():
        field = f"{prefix}{name}"
        if name in _PROSE and isinstance(node, str):
            yield {"field": field, "value": "", "source": node, "assumption": ""}
        elif not isinstance(node, Mapping):
            yield {"field": field, "value": node, "source": "", "assumption": ""}
        elif "assume" in node:
            declared = {**shared.get(str(node["assume"]), {}), **node}
            value, source = declared.get("value"), declared.get("source", "")
            yield {"field": field, "value": value, "source": source, "assumption": node["assume"]}
        elif "value" in node:
            yield {"field": field, "value": node["value"], "source": node.get("source", ""), "assumption": ""}
        else:
            yield from _fields(node, path, f"{field}.")


def description_report(document: Mapping[str, Any]) -> Report:
    """One table, a row for each field of `describe`'s document."""
    columns = (
        Column("field", role="key"),
        Column("value"),
        Column("assumption"),
        Column("source", role="prose"),
    )
    rows = [(row["field"], _written(row["value"]), row["assumption"], row["source"]) for row in document["fields"]]
    notes = [Note(document["title"], f"{document['kind']} {document['name']}")]
    return [*notes, Table("fields", "fields", columns, rows)]


def _written(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
