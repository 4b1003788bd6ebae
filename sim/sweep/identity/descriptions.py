"""What a machine description names of the catalogue, and what these name in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import moe_cosim
from moe_cosim.errors import MoeCosimError
from moe_cosim.hw_models import catalog
from moe_cosim.sim.sweep.identity.digest import SOURCE_DIGITS, digest, file_digest
from moe_cosim.yaml_file import read_yaml

Component = str
"""Kind and name: ``device h100-sxm``."""

_BY_FIELD: Final = {
    "device": "device",
    "link": "link",
    "standard": "dram",
    "vector_isa": "isa",
    "matrix_isa": "isa",
    "fit": "kernel-fit",
}
"""Kind of description by the field that names one."""
_WORKLOADS: Final = Path(moe_cosim.__file__).parent / "workloads"
_MODELS: Final = _WORKLOADS / "models" / "catalog"
_PRESETS: Final = _WORKLOADS / "routing" / "presets"


def description_digest(kind: str, name: str) -> str | None:
    """Of one description of the catalogue; None where there is none of that name."""
    try:
        if kind == "assumption":
            path = catalog.shared_path()
            return _entries(path, file_digest(str(path))).get(name)
        ours = {"preset": _PRESETS, "model": _MODELS}.get(kind)
        if ours is None and kind not in catalog.KINDS:
            return None
        path = ours / f"{name}.yaml" if ours is not None else catalog.find(name, kind)
        return file_digest(str(path))[:SOURCE_DIGITS]
    except (MoeCosimError, OSError):
        return None  # refused when the point runs, with its reason


def named_by(component: Component) -> frozenset[Component]:
    """What the description `component` of the catalogue names."""
    kind, _, name = component.partition(" ")
    if kind not in catalog.KINDS:
        return frozenset()
    try:
        return named_in(str(catalog.find(name, kind)))
    except MoeCosimError:
        return frozenset()


def named_in(path: str) -> frozenset[Component]:
    """What the description in a file names: descriptions, shared assumptions, unit kinds and unit models."""
    try:
        return _named_in(path, file_digest(path))
    except (MoeCosimError, OSError):
        return frozenset()


def named_in_tree(tree: Any) -> Iterator[Component]:
    """The same of a description that has been read; files it names are left out."""
    if isinstance(tree, list):
        for each in tree:
            yield from named_in_tree(each)
    elif isinstance(tree, Mapping):
        if set(tree) == {"assume"}:
            yield f"assumption {tree['assume']}"
        for field, value in tree.items():
            if field in _BY_FIELD and isinstance(value, str) and not is_path(value):
                yield f"{_BY_FIELD[field]} {value}"
            elif field == "model" and _has_kind(value):
                yield f"unit-model {value['kind']}"
            elif field == "units" and isinstance(value, Mapping):
                yield from (f"unit-kind {unit['kind']}" for unit in value.values() if _has_kind(unit))
            yield from named_in_tree(value)


def _has_kind(node: Any) -> bool:
    return isinstance(node, Mapping) and "kind" in node


def is_path(text: str) -> bool:
    """Whether it names a file of the user's, which counts by content, and nothing of the catalogue."""
    return text.endswith((".yaml", ".yml")) or "/" in text


@lru_cache(maxsize=1024)
def _named_in(path: str, _content: str) -> frozenset[Component]:
    return frozenset(named_in_tree(read_yaml(Path(path))))


@lru_cache(maxsize=16)
def _entries(path: Path, _content: str) -> dict[str, str]:
    """Digest of each entry of a file of them."""
    return {name: digest(entry, SOURCE_DIGITS) for name, entry in read_yaml(path).items()}
