"""A stand-in for the `sst` module: it executes a configuration and remembers the graph that it makes."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from typing import Any


class Recorder:
    """`document()` has the form of SST's JSON configurations."""

    def __init__(self) -> None:
        self.options: dict[str, str] = {}
        self.level: int | None = None
        self.output: tuple[str, dict[str, str]] | None = None
        self.components: list[Part] = []
        self.links: list[dict[str, Any]] = []

    def execute(self, text: str) -> dict[str, Any]:
        module = types.ModuleType("sst")
        module.setProgramOption = self.options.__setitem__  # type: ignore[attr-defined]
        module.setStatisticLoadLevel = lambda level: setattr(self, "level", level)  # type: ignore[attr-defined]
        module.setStatisticOutput = self._set_output  # type: ignore[attr-defined]
        module.Component = self._component  # type: ignore[attr-defined]
        module.Link = lambda name: LinkPart(name, self.links)  # type: ignore[attr-defined]
        before = sys.modules.get("sst")
        sys.modules["sst"] = module
        try:
            exec(compile(text, "config.py", "exec"), {"__name__": "__main__"})
        finally:
            del sys.modules["sst"]
            if before is not None:
                sys.modules["sst"] = before
        return self.document()

    def _set_output(self, type_: str, parameters: Mapping[str, object]) -> None:
        self.output = (type_, {key: str(value) for key, value in parameters.items()})

    def _component(self, name: str, type_: str) -> Part:
        part = Part(name, {"name": name, "type": type_})
        self.components.append(part)
        return part

    def document(self) -> dict[str, Any]:
        assert self.output is not None
        return {
            "program_options": self.options,
            "statistics_options": {
                "statisticLoadLevel": self.level,
                "statisticOutput": self.output[0],
                "params": self.output[1],
            },
            "components": [part.document() for part in self.components],
            "links": self.links,
        }


class Part:
    """A component or sub-component."""

    def __init__(self, path: str, entry: dict[str, Any]) -> None:
        self.path = path
        self.entry = {**entry, "params": {}}
        self.children: list[Part] = []

    def addParams(self, parameters: Mapping[str, object]) -> None:  # noqa: N802
        self.entry["params"] |= {key: str(value) for key, value in parameters.items()}

    def setSubComponent(self, slot: str, type_: str, number: int = 0) -> Part:  # noqa: N802
        path = f"{self.path}:{slot}" + (f"[{number}]" if number else "")
        child = Part(path, {"slot_name": slot, "slot_number": number, "type": type_})
        self.children.append(child)
        return child

    def enableStatistics(self, names: list[str], parameters: Mapping[str, str]) -> None:  # noqa: N802
        self.entry["statistics"] = [{"name": name, "params": dict(parameters)} for name in names]

    def document(self) -> dict[str, Any]:
        children = {"subcomponents": [child.document() for child in self.children]} if self.children else {}
        return {**self.entry, **children}


class LinkPart:
    def __init__(self, name: str, links: list[dict[str, Any]]) -> None:
        self.name, self.links = name, links

    def connect(self, left: tuple[Part, str, str], right: tuple[Part, str, str]) -> None:
        ends = [{"component": part.path, "port": port, "latency": latency} for part, port, latency in (left, right)]
        self.entry = {"name": self.name, "noCut": False, "left": ends[0], "right": ends[1]}
        self.links.append(self.entry)

    def setNoCut(self) -> None:  # noqa: N802
        self.entry["noCut"] = True
