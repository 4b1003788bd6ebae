"""A plug-in: what it is, what it can be told, and what it assumes."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from moe_cosim.options import option_rows
from moe_cosim.registry import Registry
from moe_cosim.sim.cli.table import Column, Note, Report, Table
from moe_cosim.sim.cli.tables.results.assumptions import assumptions_table
from moe_cosim.yaml_file import yaml_text


def plug_in_document(kind: str, name: str, registry: Registry[Any]) -> dict[str, Any]:
    """Of a registered class or value; `InputError` for a name that is not registered."""
    found = registry.get(name, "show", kind)
    taken = getattr(found, "options_class", None) or getattr(found, "site_class", None)
    return {
        "kind": kind,
        "name": name,
        "summary": getattr(found, "summary", None) or getattr(found, "title", "not described"),
        "about": _about(found, registry),
        "facts": _facts(found),
        "options": [asdict(row) for row in option_rows(taken)] if taken is not None else [],
        "assumptions": [one.as_dict() for one in getattr(found, "assumptions", ())],
    }


def plug_in_report(document: Mapping[str, Any]) -> Report:
    """What it is in words, then its tables."""
    notes = [Note(document["summary"], f"{document['kind']} {document['name']}")]
    notes += [Note(paragraph, dim=True) for paragraph in document["about"]]
    notes += [Note(_written(value), name.replace("_", " ")) for name, value in document["facts"].items()]
    return [*notes, _options(document), assumptions_table(document["assumptions"], reasons=True)]


def _options(document: Mapping[str, Any]) -> Table:
    columns = (
        Column("field", "option", role="key"),
        Column("default"),
        Column("unit"),
        Column("allowed", role="prose"),
        Column("meaning", role="prose"),
    )
    rows = [
        (row["field"], default_text(row), row["unit"], row["allowed"], row["meaning"]) for row in document["options"]
    ]
    return Table("options", "options", columns, rows)


def default_text(row: Mapping[str, Any]) -> str:
    """As somebody would write it in a file."""
    if row["required"]:
        return "(required)"
    return yaml_text(row["default"], flow=True).splitlines()[0]


def _facts(found: Any) -> dict[str, Any]:
    """What else is declared: the fields of a value, of a class what its kind declares beside options."""
    if is_dataclass(found) and not isinstance(found, type):
        return asdict(found)
    facts = {
        name: getattr(found, name, None)
        for name in ("homes", "may_skip", "lowering_hooks", "role", "written_by", "known_by", "needs_model")
    }
    return {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items() if value}


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _about(found: Any, registry: Registry[Any]) -> list[str]:
    """Paragraphs: of its module, where that holds nothing else that is registered, and of the class itself."""
    if not isinstance(found, type):
        return []
    alone = sum(getattr(other, "__module__", "") == found.__module__ for _, other in registry) == 1
    texts = [sys.modules[found.__module__].__doc__ if alone else None, found.__dict__.get("__doc__")]
    paragraphs = [part for text in texts if text for part in inspect.cleandoc(text).split("\n\n")]
    return [" ".join(paragraph.split()) for paragraph in paragraphs]
