"""What a run leaves on disk: written aside, and renamed only when it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moe_cosim.errors import InputError, Plain, RunError
from moe_cosim.whole_file import whole_folder


class RunFolder:
    """The folder `path`, which must not exist yet (or be empty). Refuses early, before any work."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._refuse_early()
        except OSError as error:
            raise RunError(f"{path}: cannot write there: {error.strerror}") from None

    def _refuse_early(self) -> None:
        path = self.path
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(
                "--out", str(path), Plain("something there"), "a folder that does not exist yet, or is empty"
            )
        parent = path.resolve().parent
        while not parent.exists():
            parent = parent.parent
        if not parent.is_dir():
            raise InputError("--out", str(path), Plain(f"{parent} is no folder"), "a path in a folder")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise RunError(f"{path}: cannot write there: {parent} is not writable")

    @contextmanager
    def filled(self) -> Iterator[Path]:
        """A folder to fill, which takes its place when it is whole. Raises `RunError`, leaving nothing."""
        try:
            with whole_folder(self.path) as folder:
                yield folder
        except OSError as error:
            raise RunError(f"{self.path}: cannot write there: {error.strerror}") from None
