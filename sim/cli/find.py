"""Which kind of thing somebody means who gives a name or a file alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.catalog import KINDS as DESCRIBED
from moe_cosim.sim.cli.listing import KINDS, listing
from moe_cosim.yaml_file import read_yaml


def kind_of(name: str) -> str:
    """The one kind that has `name`, which may also be a file. Raises `InputError` for a name of none or of several.

    A name goes before a file that is called the same, unless it is written as a path.
    """
    if os.path.isfile(name) and ("/" in name or name.endswith((".yaml", ".yml", ".json", ".gguf"))):
        return _kind_of_file(Path(name))
    known = listing()
    found = [kind.name for plural, kind in KINDS.items() if name in known.get(plural, {})]
    if len(found) == 1:
        return found[0]
    if found:
        calls = " or ".join(f"'moe-cosim show {kind} {name}'" for kind in found)
        raise InputError("show", "name", Plain(f"{name!r}, which is a {', a '.join(found)}"), calls)
    if os.path.exists(name):
        return _kind_of_file(Path(name))
    raise InputError("show", "name", name, _names(known.values()))


def _names(known: Iterable[Mapping[str, str]]) -> list[str]:
    return sorted({name for entries in known for name in entries})


def _kind_of_file(path: Path) -> str:
    """By its content: a description says its kind, an experiment names a policy, any other YAML is a sweep."""
    if path.is_dir() or path.suffix in (".json", ".gguf"):
        return "model"
    tree = read_yaml(path)
    if tree.get("kind") == "model":
        return "model"
    if tree.get("kind") in DESCRIBED:
        shown = {kind.name for kind in KINDS.values()}.intersection(DESCRIBED)
        if tree["kind"] not in shown:  # a part of others: a fit of kernels
            raise InputError(path, "kind", tree["kind"], shown)
        return str(tree["kind"])
    return "experiment" if "policy" in tree else "sweep"
