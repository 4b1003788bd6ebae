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

        `key` is everything that decides it, but for assumptions. Which were asked for is remembered: these count as
        used by this run too, and it is made anew where one of them is set to something else.
        """
        found = self._find(key, assumptions)
        if found is None:
            apart = assumptions.apart()
            thing, files = make(apart)
            found = _Made(thing, tuple(apart.used()), files)
            place = key, assumptions.settings_of(found.asked)
            self._made[place] = found
            self._made.move_to_end(place)
            if len(self._made) > self._most:
                self._made.popitem(last=False)
        assumptions.recall(found.asked)
        return found.thing

    def _find(self, key: Hashable, assumptions: Assumptions) -> _Made[T] | None:
        """What was asked for is known of what was made alone, so all of the key are looked at."""
        for place, made in reversed(self._made.items()):
            if place == (key, assumptions.settings_of(made.asked)) and made.holds:
                self._made.move_to_end(place)
                return made
        return None
