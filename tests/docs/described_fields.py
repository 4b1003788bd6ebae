"""The fields of descriptions, as the code that reads them asks for them while it reads the whole catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models import catalog, software
from moe_cosim.hw_models.build import build_device, build_machine
from moe_cosim.hw_models.description import Fields

_UNUSED: Final = {
    "devices.gpu.price": "30000 USD",
    "devices.ndp.memories.dram.internal_peak": "2 TB/s",
    "devices.ndp.memories.dram.energy": {
        **dict.fromkeys(("read", "write", "port"), "1 pJ/bit"),
        **dict.fromkeys(("background_per_gb", "refresh_per_gb"), "0.01 W"),
        "activate": "1 nJ",
    },
    "devices.ndp.units.core.inside": True,
    "links.gpu-cxl.energy.static": "1 W",
}
"""Fields of `h100-cxl-ndp` that no description of the catalogue has."""
_UNUSED_OF_PEERS: Final = {"peers.dimm-link.energy.static": "1 W"}
"""The same of `h100-amx-dimm-ndp`."""
_NAMES: Final = re.compile(
    r"\b(devices|links|peers|memories|units|operations|rates|efficiency|one_row|op_per_cycle)\.[^.]+"
)
_KINDS: Final = {"machines": "machine", "devices": "device", "links": "link", "dram": "dram", "isas": "isa"}
_UNITS: Final = {"number": "", "ps": "time", "choice": "", "transfers/s": "MT/s", "mm2": "mm²"}


@dataclass(frozen=True)
class FieldRow:
    """One field of a kind of description, by its path; NAME stands for names that the description gives."""

    path: str
    required: bool = False
    allowed: str = ""
    unit: str = ""
    default: str = ""


@dataclass
class _Seen:
    rows: dict[str, dict[str, FieldRow]] = field(default_factory=dict)
    """By kind of description (of unit models: their name) and path."""
    model: str = ""
    """The unit model that is being read."""
    depth: int = 0
    """Of readers that readers call."""
    asked: dict[tuple[str, str], list[set[str]]] = field(default_factory=dict)
    """By kind and path of a mapping: what must be there, each time that one was read."""

    def at(self, fields: Fields, name: str) -> tuple[str, str]:
        where = fields._places.where
        kind = _KINDS.get(Path(where).parent.name, "software")
        path = f"{fields.path}.{name}" if fields.path else name
        if "dram_energy" in where:
            kind, path = "device", f"memories.NAME.energy.{path}"
        path = _NAMES.sub(r"\1.NAME", path)
        if ".model." in path:
            kind, path = self.model, path.partition(".model.")[2]
        return kind, path

    def note(self, fields: Fields, name: str, **said: Any) -> None:
        kind, path = self.at(fields, name)
        if path.endswith("NAME") and not said:
            return
        rows = self.rows.setdefault(kind, {})
        rows[path] = replace(rows.get(path, FieldRow(path)), **said)


_CONSTANTS: Final = ("choice", "whole", "share", "positive", "finite", "quantity", "time_ps")
"""Readers of what says where it comes from."""


def _said(reader: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    words = _words(reader, arguments, named)
    return {**words, "allowed": f"constant, {words['allowed']}"} if reader in _CONSTANTS else words


def _words(reader: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """What a reader takes: `allowed`, `unit`, `default` of a `FieldRow`."""
    most = named.get("most")
    match reader, arguments:
        case (("word" | "choice"), (legal, *_)):
            return {"allowed": "one of " + ", ".join(f"`{word}`" for word in legal)}
        case "count", (default, *_):
            return {"allowed": f"a whole number from 1 to {most or 1024}", "default": str(default)}
        case "whole", _:
            end = f" to {most}" if most and most < 10**6 else ""
            return {"allowed": f"a whole number from 1{end}", "unit": _unit(arguments)}
        case "share", _:
            return {"allowed": "a share above 0, at most 1"}
        case "positive", _:
            return {"allowed": "above 0", "unit": _unit(arguments)}
        case "finite", _:
            return {"allowed": "above 0, not `unlimited`", "unit": _unit(arguments)}
        case "quantity", _:
            return {"allowed": "0 or more", "unit": _unit(arguments)}
        case "time_ps", _:
            return {"allowed": "0 or more", "unit": "time"}
        case "flag", _:
            return {"allowed": "true or false", "default": "false"}
        case "words", _:
            return {"allowed": "a list of words"}
        case "text", _:
            return {"allowed": "text"}
        case "described", (kind, *_):
            return {"allowed": f"{kind} of the catalogue, or a file"}
    return {}


def _unit(arguments: tuple[Any, ...]) -> str:
    return _UNITS.get(arguments[0], arguments[0]) if arguments else ""


_READERS: Final = (
    *("word", "choice", "count", "whole", "share", "positive", "finite", "quantity", "time_ps", "flag", "words"),
    *("text", "described", "registered"),
)


@contextmanager
def _watched() -> Iterator[_Seen]:
    seen = _Seen()

    def reader(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        def read(fields: Fields, field_name: str, *arguments: Any, **named: Any) -> Any:
            is_model = field_name == "kind" and fields.path.endswith(".model")
            if is_model:
                seen.model = str(dict(fields.items())["kind"])
            elif seen.depth == 0:
                seen.note(fields, field_name, **_said(name, arguments, named))
            seen.depth += 1
            try:
                return plain(fields, field_name, *arguments, **named)
            finally:
                seen.depth -= 1

        return read

    def only(fields: Fields, *names: str, optional: Any = ()) -> None:
        optional = tuple(optional)
        for name in (*names, *optional):
            if not (name == "kind" and fields.path.endswith(".model")):
                seen.note(fields, name)
        kind, path = seen.at(fields, "")
        seen.asked.setdefault((kind, path), []).append({f"{path}{name}" for name in names})
        plain_only(fields, *names, optional=optional)

    plain_only = Fields.only
    with patch.multiple(Fields, only=only, **{name: reader(name, getattr(Fields, name)) for name in _READERS}):
        yield seen


@cache
def described_fields() -> dict[str, dict[str, FieldRow]]:
    """By kind of description, or name of a unit model, then by path."""
    with _watched() as seen:
        for entry in catalog.entries("machine"):
            build_machine(entry.path, Assumptions({}))
        build_machine("h100-cxl-ndp", Assumptions({}), _UNUSED)
        build_machine("h100-amx-dimm-ndp", Assumptions({}), _UNUSED_OF_PEERS)
        for entry in catalog.entries("device"):
            build_device(catalog.read(entry.path, "device"), entry.path, Assumptions({}))
        for entry in catalog.entries("software"):
            software._read(entry.path, Assumptions({}))  # not what a test before has kept of it
    for (kind, _), asked in seen.asked.items():
        for path in set.intersection(*asked) & seen.rows[kind].keys():
            seen.rows[kind][path] = replace(seen.rows[kind][path], required=True)
    return {kind: rows for kind, rows in seen.rows.items() if kind}
