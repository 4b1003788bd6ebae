"""The user's files that an experiment names: they count by content, wherever they lie."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from moe_cosim.errors import InputError, MoeCosimError, Plain, what_failed
from moe_cosim.sim.sweep.identity.digest import file_digest
from moe_cosim.yaml_file import read_yaml

_DESCRIPTIONS: Final = {".yaml", ".yml"}
_FILES: Final = _DESCRIPTIONS | {".json", ".jsonl", ".csv", ".npz", ".npy", ".gz", ".zip", ".pt", ".parquet", ".txt"}


def check_files(digests: Mapping[str, str]) -> None:
    """Raise `InputError` unless every file still has the content that the plan saw."""
    for path, digest in digests.items():
        try:
            unchanged = file_digest(path) == digest
        except OSError as error:
            raise InputError(path, "file", what_failed(error), "the file as it was when planned") from None
        if not unchanged:
            raise InputError(path, "file", Plain("other content"), "the file as it was when planned")


class FilesSeen:
    """Files as they are now; each is looked at once."""

    def __init__(self) -> None:
        self._named: dict[str, str | None] = {}
        self._digests: dict[str, str] = {}
        self._inner: dict[str, list[str]] = {}

    def digest(self, path: str) -> str:
        """Of a file's content; as `file_digest`."""
        if path not in self._digests:
            self._digests[path] = file_digest(path)
        return self._digests[path]

    def named_in(self, tree: Any) -> list[str]:
        """Path of every file that a text in `tree` names (a folder names its config.json)."""
        found = (self._file(text) for text in _texts(tree))
        return [path for path in found if path is not None]

    def within(self, path: str) -> list[str]:
        """Path of every file that the description `path` (a machine, say) names, relative to itself."""
        if path not in self._inner:
            texts: list[str] = []
            if Path(path).suffix in _DESCRIPTIONS:
                with contextlib.suppress(MoeCosimError):  # refused when the point runs, with its reason
                    texts = _texts(read_yaml(Path(path)))
            found = (self._file(str(Path(path).parent / text)) for text in texts)
            self._inner[path] = [inner for inner in found if inner is not None]
        return self._inner[path]

    def _file(self, text: str) -> str | None:
        if text not in self._named:
            self._named[text] = _file(text)
        return self._named[text]


def by_content(tree: Any, digests: Mapping[str, str]) -> Any:
    """`tree` with every text that names one of the files (a path in `digests`) replaced by what is in it."""
    if not digests:
        return tree
    if isinstance(tree, dict):
        return {key: by_content(value, digests) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [by_content(value, digests) for value in tree]
    if isinstance(tree, str):
        path = _path_in(tree, digests)
        return tree if path is None else {"sha256": digests[path]}
    return tree


def named_directly(tree: Any, digests: Mapping[str, str]) -> dict[str, str]:
    """Those of `digests` whose path stands in `tree`."""
    paths = {_path_in(text, digests) for text in _texts(tree)} if digests else set()
    return {path: digest for path, digest in digests.items() if path in paths}


def _path_in(text: str, digests: Mapping[str, str]) -> str | None:
    return next((path for path in (text, f"{text}/config.json") if path in digests), None)


def _file(text: str) -> str | None:
    """The file that `text` names, or None."""
    path = Path(text).expanduser() if text.startswith("~") else Path(text)
    if "/" not in text and path.suffix not in _FILES:
        return None
    try:
        if path.is_dir():
            path = path / "config.json"
        return str(path) if path.is_file() else None
    except (OSError, ValueError):
        return None  # no name that this system could hold


def _texts(tree: Any) -> list[str]:
    found: list[str] = []
    open_ = [tree]
    for node in open_:
        if isinstance(node, str):
            found.append(node)
        elif isinstance(node, dict):
            open_ += node.values()
        elif isinstance(node, list | tuple):
            open_ += node
    return found
