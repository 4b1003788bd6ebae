"""Models by catalogue name, by file, or by name on the hub where the local cache has it."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from moe_cosim.errors import InputError, one_of
from moe_cosim.hub_cache import cached_snapshot, is_hub_name
from moe_cosim.remembered import Stamp, stamp
from moe_cosim.workloads.models.gguf import read_gguf_model
from moe_cosim.workloads.models.hf_config import read_hf_config
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.models.model_file import read_model_file

_DOWNLOAD: Final = (
    "a name of the catalogue, or the path of a config.json, a model file or a .gguf file; nothing is downloaded here:"
    " run 'hf download {0} config.json', which puts it where it is looked for"
)
CATALOG: Final = Path(__file__).parent / "catalog"
MODEL_FILES: Final = (".yaml", ".yml")


def find_model(name_or_path: str | Path, where: object = "experiment", field: str = "model") -> Model:
    """The catalogue's model of that name, or the model of a file: a ``config.json`` (or its folder), a model file, or
    the header of a ``.gguf`` file.

    Anything that has the ending of such a file, contains a ``/`` or names an existing folder is a path; relative ones
    start at the working directory. ``organisation/name`` is looked for in the hub's local cache where there is no such
    path. Raises `InputError` naming `where` and `field` for an unknown name, and the file and its field for a bad file.
    """
    text = str(name_or_path)
    path = Path(os.path.expanduser(text))  # Path.expanduser raises for the home of somebody unknown
    if isinstance(name_or_path, Path) or is_model_path(text) or os.path.isdir(path):
        if is_hub_name(text) and not os.path.exists(path):
            cached = cached_snapshot(text)
            if cached is None:
                raise InputError(where, field, text, _instead_of(text))
            path = cached
        return _read_once(path / "config.json" if os.path.isdir(path) else path)
    entry = CATALOG / f"{text}.yaml"
    if text not in catalog_names():
        raise InputError(where, field, text, one_of(catalog_names(), text) + "; or the path of a model's file")
    return _read_once(entry)


def _instead_of(hub_name: str) -> str:
    """What to give instead of a name of the hub that its cache does not have."""
    ours = [name for name in catalog_names() if find_model(name).hf_id == hub_name]
    return (
        f"{ours[0]}, as the catalogue calls it; or else {_DOWNLOAD.format(hub_name)}"
        if ours
        else _DOWNLOAD.format(hub_name)
    )


def is_model_path(text: str) -> bool:
    """Whether it is written as a path, not as a name of the catalogue."""
    return text.endswith((".json", ".gguf", *MODEL_FILES)) or "/" in text or "\\" in text


def catalog_names() -> list[str]:
    """Sorted, without ``.yaml``: those that ``moe-cosim list models`` shows."""
    return sorted(path.stem for path in CATALOG.glob("*.yaml"))


def model_names() -> dict[str, str]:
    """Every catalogue name with one line about it, by name."""
    return {name: find_model(name).title() for name in catalog_names()}


def _read_once(path: Path) -> Model:
    """As `_read_file`, until the file changes."""
    try:
        return _read(path, stamp(path))
    except OSError:
        return _read_file(path)  # says what is wrong with it


@lru_cache(maxsize=128)
def _read(path: Path, _stamp: Stamp) -> Model:
    return _read_file(path)


def _read_file(path: Path) -> Model:
    if path.suffix == ".gguf":
        return read_gguf_model(path)
    return read_model_file(path) if path.suffix in MODEL_FILES else read_hf_config(path)
