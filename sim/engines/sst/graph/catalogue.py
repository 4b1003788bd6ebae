"""The catalogue of SST elements this project uses: what each one lets be set and connected.

SST ignores a parameter or slot that it does not know, so names are checked here, before a run.
`catalogue.json` was written by ``moe-cosim sst catalogue`` from an installed SST of the version it names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from moe_cosim.errors import InputError

_COUNTED = re.compile(r"%\(\w+\)d|%d")
"""How SST writes the number in the name of a port or parameter that there are several of."""


@dataclass(frozen=True)
class Element:
    """One component, sub-component or module type; names as SST documents them."""

    type: str
    kind: str
    """``Component``, ``SubComponent`` or ``Module``."""
    parameters: Mapping[str, str | None]
    """Name to default; None where there is none."""
    required: tuple[str, ...]
    ports: tuple[str, ...]
    slots: Mapping[str, str]
    """Name to the interface what fills it must have."""
    statistics: tuple[str, ...]
    descriptions: Mapping[str, str] = field(default_factory=dict)

    def has_parameter(self, name: str) -> bool:
        """Also true of ``a.b`` where ``a`` is a parameter that names a part: it is handed to that part; and of
        ``a:b``, which merlin's routers take for the ports of group ``b``."""
        if _listed(name.partition(":")[0], self.parameters):
            return True
        scope, dot, rest = name.rpartition(".")
        return bool(dot and rest) and _listed(scope, self.parameters)

    def has_port(self, name: str) -> bool:
        """Whether there is a port of this name, numbered ones (``port%d``) included."""
        return _listed(name, self.ports)

    def has_slot(self, name: str) -> bool:
        """Whether a sub-component can be put there."""
        return name in self.slots

    def has_statistic(self, name: str) -> bool:
        """Whether SST can be asked for it."""
        return name in self.statistics


@dataclass(frozen=True)
class Catalogue:
    """Elements by type name."""

    sst_version: str
    elements: Mapping[str, Element]

    def find(self, type_: str, where: object) -> Element:
        """Raises `InputError` naming the nearest type there is."""
        if type_ not in self.elements:
            raise InputError(where, "type", type_, self.elements)
        return self.elements[type_]


def read_catalogue(document: Mapping[str, Any]) -> Catalogue:
    """The catalogue in a document of `catalogue.json`'s form."""
    elements = {
        type_: Element(
            type_,
            entry["kind"],
            entry["parameters"],
            tuple(entry["required"]),
            tuple(entry["ports"]),
            entry["slots"],
            tuple(entry["statistics"]),
            entry.get("descriptions", {}),
        )
        for type_, entry in document["elements"].items()
    }
    return Catalogue(document["sst_version"], elements)


@cache
def shipped_catalogue() -> Catalogue:
    """The catalogue that comes with the package."""
    text = (files("moe_cosim.sim.engines.sst.graph") / "catalogue.json").read_text(encoding="utf-8")
    return read_catalogue(json.loads(text))


def _listed(name: str, names: Iterable[str]) -> bool:
    return any(name == each or ("%" in each and _pattern(each).fullmatch(name)) for each in names)


@cache
def _pattern(documented: str) -> re.Pattern[str]:
    return re.compile(r"\d+".join(re.escape(piece) for piece in _COUNTED.split(documented)))
