"""What a process makes once: good for as long as the files it was read from are as they were."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from moe_cosim.assumptions import Assumption, Assumptions

T = TypeVar("T")

Stamp = tuple[int, int, int, int]


def stamp(path: str | Path) -> Stamp:
    """What changes when a file does: device, inode, size and time of change. Raises `OSError`."""
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@dataclass(frozen=True)
class _Made(Generic[T]):
    thing: T
    asked: tuple[Assumption, ...]
    files: Mapping[Path, Stamp]

    @property
    def holds(self) -> bool:
        with suppress(OSError):
            return all(stamp(path) == was for path, was in self.files.items())
        return False


class Remembered(Generic[T]):
    """The `most` things made last, of those that nobody changes once they are made.

    Points of a sweep, and the systems of a comparison, share them.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: OrderedDict[Hashable, _Made[T]] = OrderedDict()

    def get(
        self, key: Hashable, assumptions: Assumptions, make: Callable[[Assumptions], tuple[T, Mapping[Path, Stamp]]]
    ) -> T:
        """What `make` gives: the thing, and stamps of the files it was read from, taken before they were read.

        `key` is everything else that decides it, but for the settings of assumptions. What was asked of
        those is remembered, and counts as used by this run too.
        """
        whole = key, assumptions.settings_text
        found = self._made.get(whole)
        if found is None or not found.holds:
            apart = assumptions.apart()
            thing, files = make(apart)
            found = _Made(thing, tuple(apart.used()), files)
            self._made[whole] = found
            if len(self._made) > self._most:
                self._made.popitem(last=False)
        self._made.move_to_end(whole)
        assumptions.recall(found.asked)
        return found.thing
