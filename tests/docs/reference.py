"""Tables of the fields of YAML files: all from the code but what fields mean, which is in ``meanings.yaml``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.dram_timing import standard
from moe_cosim.options import option_rows
from moe_cosim.yaml_file import read_yaml, yaml_text
from tests.docs.described_fields import FieldRow, described_fields

FILES: Final = ("machine", "device", "link", "dram", "isa", "software", "experiment")
_TYPES: Final = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "a mapping",
}


def schema_rows(cls: type[BaseModel], prefix: str = "") -> Iterator[FieldRow]:
    """Of a class and the classes in its fields, by path."""
    properties = cls.model_json_schema(by_alias=True)["properties"]
    for name, info in cls.model_fields.items():
        path = f"{prefix}{info.alias or name}"
        part = next((each for each in _classes(info.annotation)), None)
        yield FieldRow(
            path,
            info.is_required(),
            "" if part else _allowed(properties[info.alias or name]),
            default="" if part else _default(info),
        )
        if part:
            yield from schema_rows(part, f"{path}.")


def _classes(annotation: Any) -> Iterator[type[BaseModel]]:
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            yield each


def _default(info: FieldInfo) -> str:
    default = info.get_default(call_default_factory=True)
    return "" if default is PydanticUndefined or default in ("", {}, []) else yaml_text(default).splitlines()[0]


def _allowed(found: dict[str, Any]) -> str:
    """The legal values of one property of a JSON schema, in words."""
    branches = [branch for branch in found.get("anyOf", [found]) if branch.get("type") != "null"]
    return " or ".join(dict.fromkeys(map(_words, branches)))


def _words(found: dict[str, Any]) -> str:
    if "enum" in found or "const" in found:
        return "one of " + ", ".join(f"`{value}`" for value in found.get("enum", [found.get("const")]))
    text = _TYPES.get(found.get("type", ""), "")
    low, high = found.get("minimum"), found.get("maximum", 2**31 - 1)
    low_text = f" from {low:g}" if low is not None else ""  # 1.0 before pydantic 2.11, 1 since
    return text + low_text + (f" to {high:g}" if high < 2**15 - 1 else "")


@cache
def rows() -> dict[str, dict[str, FieldRow]]:
    """By kind of file (or name of a unit model), then by path."""
    found = {kind: dict(of) for kind, of in described_fields().items()}
    found["experiment"] = {row.path: row for row in schema_rows(Experiment)}
    timed = {row.path: row for row in schema_rows(standard._File)}
    shares = {path: replace(row, required=row.required and "." in path) for path, row in found["dram"].items()}
    found["dram"] = timed | shares | {"title": timed["title"]}
    return found


@cache
def meanings() -> dict[str, dict[str, Any]]:
    return read_yaml(Path(__file__).parent / "meanings.yaml")


def table(kind: str) -> str:
    """Of one kind of file, in the order of its meanings."""
    return "\n".join(["| field | default | allowed | unit | meaning |", "|---|---|---|---|---|", *_lines(kind, "")])


def unit_models() -> str:
    """Of the `model` of units, kind by kind."""
    names = sorted(rows().keys() - {*FILES})
    head = ["| `kind` | field | allowed | unit | meaning |", "|---|---|---|---|---|"]
    return "\n".join([*head, *(line for name in names for line in _lines(name, f"`{name}`"))])


def _lines(kind: str, first: str) -> Iterator[str]:
    for path, said in meanings()[kind].items():
        row = rows()[kind][path]
        meaning, allowed, *required = said if isinstance(said, list) else (said, row.allowed or "the fields below")
        default = "(required)" if row.required or required else row.default
        cells = [first, f"`{path}`"] if first else [f"`{path}`", default]
        if first and not row.required:
            meaning += " (may be left out)"
        yield "| " + " | ".join([*cells, allowed, row.unit, meaning]) + " |"
        first = first and " "


def site_table() -> str:
    """Of site files: what all schedulers share, then each one's own."""
    from moe_cosim.sim.batch.base import schedulers
    from moe_cosim.sim.batch.site import Site

    head = ["| `scheduler` | field | default | allowed | meaning |", "|---|---|---|---|---|"]
    shared = Site.model_fields
    lines = list(_site_lines("any", Site, ()))
    for name, cls in schedulers:
        lines += _site_lines(f"`{name}`", cls.site_class, shared)
    return "\n".join([*head, *lines])


def _site_lines(first: str, cls: type[BaseModel], known: Any) -> Iterator[str]:
    allowed = {row.path: row for row in schema_rows(cls)}
    for name, row in zip(cls.model_fields, option_rows(cls), strict=True):
        if name in known:
            continue
        found = allowed[row.field]
        default = "(required)" if found.required else found.default
        yield f"| {first} | `{row.field}` | {default} | {found.allowed} | {_plain(row.meaning)} |"
        first = ""


def _plain(docstring: str) -> str:
    """Markdown of a docstring, on one line."""
    return " ".join(docstring.replace("``", "`").split())
