"""The descriptions that come with the package, and the user's own, found by name or by path."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from moe_cosim.errors import InputError
from moe_cosim.yaml_file import read_yaml

KINDS = ("machine", "device", "link", "dram", "isa", "software", "kernel-fit")
_FOLDERS = {
    "machine": "machines",
    "device": "devices",
    "link": "links",
    "dram": "dram",
    "isa": "isas",
    "software": "software",
    "kernel-fit": "kernel_fits",
}


@dataclass(frozen=True)
class Entry:
    """One description of the catalog."""

    name: str
    kind: str
    title: str
    path: Path


@cache
def root() -> Path:
    """The catalogue's folder inside the installed package: a folder for each kind of description."""
    return Path(str(files("moe_cosim.hw_models"))) / "catalog"


@cache
def entries(kind: str) -> tuple[Entry, ...]:
    """All descriptions of one kind, by name."""
    paths = sorted((root() / _FOLDERS[kind]).glob("*.yaml"))
    return tuple(Entry(path.stem, kind, str(read_yaml(path).get("title", "")), path) for path in paths)


def find(name: str | Path, kind: str, where: object = "experiment", field: str | None = None) -> Path:
    """Path of the description `name` of the given kind.

    A `Path`, or text that ends in .yaml or holds a slash, is a file (relative to the folder of
    `where` when that is a file); anything else is a name in the catalog. Raises `InputError`.
    """
    if isinstance(name, Path) or name.endswith((".yaml", ".yml")) or "/" in name:
        beside = Path(str(where)).parent / name if os.path.isfile(str(where)) else Path(name)
        if not os.path.isfile(beside):  # unlike Path.is_file, does not raise for a name too long to be one
            raise InputError(where, field or kind, str(name), f"an existing {kind} description")
        return beside
    folder = root() / _FOLDERS[kind]
    path = folder / f"{name}.yaml"
    if not os.path.isfile(path):
        raise InputError(where, field or kind, name, (p.stem for p in folder.glob("*.yaml")))
    return path


def read(path: Path, kind: str) -> dict[str, Any]:
    """The mapping in `path`, which must say that it is of this kind; `kind` itself is left out. Raises `InputError`
    where it is of another kind, or cannot be read.
    """
    tree = read_yaml(path)
    if tree.get("kind") != kind:
        raise InputError(path, "kind", tree.get("kind"), repr(kind))
    return {key: value for key, value in tree.items() if key != "kind"}


def shared_assumptions() -> tuple[dict[str, Any], Path]:
    """Declarations that several descriptions use, and the file they are in."""
    path = shared_path()
    return read_yaml(path), path


def dram_energy_path() -> Path:
    """Of the energies of DRAM standards, by their names."""
    return root() / "dram_energy.yaml"


def shared_path() -> Path:
    """The file that declares the assumptions which several descriptions make."""
    return root() / "assumptions.yaml"
