"""Laying one description over another, remembering which file each field came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moe_cosim.errors import InputError

EXPERIMENT = "experiment"
_NAMED = ("devices", "links", "units", "memories")
"""Mappings whose keys are names of parts: an overlay changes parts, it does not invent them."""


@dataclass
class Places:
    """Where each field of a merged description was written."""

    where: str
    """The file underneath."""
    prefix: str = ""
    """Path of this description inside the machine; empty for the machine itself."""
    overlaid: dict[str, str] = field(default_factory=dict)
    """Path (inside this description) to the file, or `EXPERIMENT`, that set it."""

    def locate(self, path: str) -> tuple[str, str]:
        """(file, field as that file spells it) for an error about `path`."""
        where = self._overlay(path)
        if where is None:
            return self.where, path
        return where, f"set.{self.full(path)}" if where == EXPERIMENT else self.full(path)

    def full(self, path: str) -> str:
        """`path` of this description as a path of the machine."""
        return ".".join(part for part in (self.prefix, path) if part)

    def set_by_experiment(self, path: str) -> bool:
        """Whether the experiment's ``machine.set`` replaced the field, or one that it lies in."""
        return self._overlay(path) == EXPERIMENT

    def below(self, path: str, where: str) -> Places:
        """Places of the description in file `where` that lies under `path` of this one."""
        return Places(where, self.full(path))

    def overlaid_at(self, path: str) -> dict[str, str]:
        """What of `overlaid` lies at `path`, below or above it."""
        return {
            each: where
            for each, where in self.overlaid.items()
            if f"{each}.".startswith(f"{path}.") or f"{path}.".startswith(f"{each}.")
        }

    def _overlay(self, path: str) -> str | None:
        while path:
            if path in self.overlaid:
                return self.overlaid[path]
            path = path.rpartition(".")[0]
        return None


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """``{"a.b": 1}`` as ``{"a": {"b": 1}}``. Raises `InputError` for a path that runs through a value."""
    tree: dict[str, Any] = {}
    for path, value in settings.items():
        if not all(path.split(".")):
            raise InputError(EXPERIMENT, "set", path, "names joined by dots, such as links.gpu-ndp.peak")
        *parents, last = path.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise InputError(EXPERIMENT, f"set.{path}", path, "a path that no other setting replaces")
        if last in node:
            raise InputError(EXPERIMENT, f"set.{path}", path, "a path that no other setting replaces")
        node[last] = value
    return tree


def merge(
    base: Mapping[str, Any], over: Mapping[str, Any], places: Places, where_of: Callable[[str], str], path: str = ""
) -> dict[str, Any]:
    """`base` with the fields of `over` laid over it; a constant is replaced whole.

    `where_of` says who wrote the field of `over` at a full path of the machine. What is replaced is noted in `places`.
    Raises `InputError` for a part of the machine that `base` has none of.
    """
    merged = dict(base)
    for key, value in over.items():
        here = f"{path}.{key}" if path else key
        where = where_of(places.full(here))
        if path.rpartition(".")[2] in _NAMED and key not in base:
            shown = f"set.{places.full(here)}" if where == EXPERIMENT else places.full(here)
            raise InputError(where, shown, key, base)
        below = base.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping) and not _is_constant(value):
            merged[key] = merge(below, value, places, where_of, here)
        else:
            merged[key] = value
            places.overlaid[here] = where
    return merged


def _is_constant(node: Mapping[str, Any]) -> bool:
    return "value" in node or "assume" in node
