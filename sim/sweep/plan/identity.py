"""What makes two points the same: resolved experiment, files it reads, and the code that runs it."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache, lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import moe_cosim
from moe_cosim.errors import InputError, MoeCosimError, Plain
from moe_cosim.experiment import Experiment
from moe_cosim.version import VERSION
from moe_cosim.yaml_file import read_yaml

ID_DIGITS: Final = 32

_ROOT: Final = Path(moe_cosim.__file__).parent
_PACKAGES: Final = (".", "hw_models", "workloads", "sim")
_SUFFIXES: Final = {".py", ".yaml", ".j2", ".cc", ".cpp", ".h", ".hpp", ".json", ".csv"}
_NO_NUMBERS: Final = ("sweep", "batch", "reproduce", "cli")
"""Parts of `moe_cosim.sim` that arrange or show runs and decide no number."""
_PLUGINS: Final = ("policies", "engines", "routers", "allocators", "unit_models")

_DESCRIPTIONS: Final = {".yaml", ".yml"}
_FILES: Final = _DESCRIPTIONS | {".json", ".jsonl", ".csv", ".npz", ".npy", ".gz", ".zip", ".pt", ".parquet", ".txt"}


def point_id(experiment: Experiment, digests: dict[str, str]) -> str:
    """32 hexadecimal digits of SHA-256 over everything that decides the numbers.

    Name and description do not count. A file counts by its content, wherever it lies. The package's
    version and the digest of its sources count, so that results of two versions are never taken for
    one another. `digests` receives the path and digest of every file.
    """
    tree = experiment.model_dump(exclude={"name", "description"})
    document = {"experiment": _by_content(tree, digests), "version": VERSION, "code": code_digest()}
    return hashlib.sha256(canonical(document).encode()).hexdigest()[:ID_DIGITS]


def canonical(document: Any) -> str:
    """JSON with sorted keys and no spaces: the same text for equal documents."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@cache
def code_digest() -> str:
    """Of the sources that decide numbers, and of plug-ins' names and versions. Read once per process."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        folder = _ROOT / package
        for path in sorted(folder.glob("*") if package == "." else folder.rglob("*")):
            inner = path.relative_to(folder)
            if path.suffix not in _SUFFIXES or (package == "sim" and inner.parts[0] in _NO_NUMBERS):
                continue
            digest.update(f"{package}/{inner.as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    for group in _PLUGINS:
        for point in sorted(entry_points(group=f"moe_cosim.{group}"), key=lambda point: point.name):
            version = point.dist.version if point.dist is not None else ""
            digest.update(f"{group} {point.name} {point.value} {version}\0".encode())
    return digest.hexdigest()[:16]


def file_digest(path: str) -> str:
    """SHA-256 of a file, remembered until its size or time of change differs."""
    found = os.stat(path)
    return _digest(path, found.st_size, found.st_mtime_ns, found.st_ino)


def check_files(digests: dict[str, str]) -> None:
    """Raise `InputError` unless every file still has the content that the plan saw."""
    for path, digest in digests.items():
        try:
            unchanged = file_digest(path) == digest
        except OSError as error:
            raise InputError(path, "file", Plain(str(error.strerror)), "the file as it was when planned") from None
        if not unchanged:
            raise InputError(path, "file", Plain("other content"), "the file as it was when planned")


@lru_cache(maxsize=4096)
def _digest(path: str, size: int, changed_ns: int, inode: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _by_content(node: Any, digests: dict[str, str], within: tuple[str, ...] = ()) -> Any:
    """`node` with the name of every file replaced by what is in it; `within` are the files around it."""
    if isinstance(node, dict):
        return {key: _by_content(value, digests, within) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_by_content(value, digests, within) for value in node]
    path = _file(node) if isinstance(node, str) else None
    if path is None:
        return node
    digests[path] = file_digest(path)
    if Path(path).suffix not in _DESCRIPTIONS or path in within:
        return {"sha256": digests[path]}
    return {"sha256": digests[path], "names": _named_within(path, digests, (*within, path))}


def _file(text: str) -> str | None:
    """The file that `text` names (a folder names its config.json), or None."""
    path = Path(text).expanduser()
    if "/" not in text and path.suffix not in _FILES:
        return None
    try:
        if path.is_dir():
            path = path / "config.json"
        return str(path) if path.is_file() else None
    except (OSError, ValueError):
        return None  # no name that this system could hold


def _named_within(description: str, digests: dict[str, str], within: tuple[str, ...]) -> dict[str, Any]:
    """Files that a description (a machine, say) names in turn, relative to itself."""
    try:
        texts = _texts(read_yaml(Path(description)))
    except MoeCosimError:
        return {}  # refused when the point runs, with its reason
    beside = {text: _file(str(Path(description).parent / text)) for text in texts}
    return {text: _by_content(path, digests, within) for text, path in beside.items() if path is not None}


def _texts(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [text for value in node.values() for text in _texts(value)]
    if isinstance(node, list):
        return [text for value in node for text in _texts(value)]
    return [node] if isinstance(node, str) else []
