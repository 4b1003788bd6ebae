"""One registry per kind of plug-in; third parties add to it with a decorator and an entry point.

    [project.entry-points."moe_cosim.policies"]
    my-policy = "my_package.my_policy"

names a module that registers when it is imported. The entry point's name is the plug-in's: asking for
that plug-in imports that module and no other. A module may register several plug-ins; each is best given
an entry point, for a name without one is found only by importing every module of the group.

There are the groups ``moe_cosim.`` with ``policies``, ``neuron_policies``, ``engines``, ``routers``, ``trace_formats``,
``allocators``, ``formats``, ``model_families``, ``unit_kinds``, ``unit_models``, ``lowering_hooks``, ``schedulers``
and ``reproductions``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from moe_cosim.errors import InputError, Plain, one_line

T = TypeVar("T")


@dataclass(frozen=True)
class LeftOut:
    """A plug-in that cannot be used, and why in one line."""

    kind: str
    name: str
    """Of its entry point."""
    package: str
    """The distribution that brings it."""
    reason: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} of {self.package} left out: {self.reason}"


class Registry(Generic[T]):
    """Names to plug-ins of one kind: classes (``Registry[type[Policy]]``) or objects (``Registry[WeightFormat]``).

    `plural` names the entry-point group. `modules` register the project's own; they are imported by the
    first look-up, the module of an entry point by the first that needs it. One that fails is named on
    standard error and left out: it stops nobody who does not ask for it.
    """

    def __init__(self, kind: str, plural: str, modules: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.group = f"moe_cosim.{plural}"
        self._entries: dict[str, T] = {}
        self._ahead = list(modules)
        self._tried: dict[EntryPoint, LeftOut | None] = {}
        self._brought_by: dict[str, str] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator. Registering another under a taken name is an error."""

        def add(entry: T) -> T:
            taken = self._entries.get(name)
            if taken is not None and not _same(taken, entry):
                raise ValueError(f"{self.kind} {name!r} is registered already, by {getattr(taken, '__module__', '?')}")
            self._entries[name] = entry
            return entry

        return add

    def get(self, name: str, where: object = "experiment", field: str | None = None) -> T:
        """Raises `InputError` naming `where` and `field` for a name that nobody has, or whose module fails."""
        self._load_own(until=name)
        called_so = [self._import(point) for point in installed(self.group) if point.name == name]
        failed = [left for left in called_so if left is not None]
        if name not in self._entries and failed:
            found = Plain(f"{name!r} of package {failed[0].package}, left out: {failed[0].reason}")
            raise InputError(where, field or self.kind, found, "a plug-in that can be imported")
        for left in failed:
            _say(left)
        if name not in self._entries:
            self._load()
        if name not in self._entries:
            raise InputError(where, field or self.kind, name, self._entries)
        return self._entries[name]

    def names(self) -> list[str]:
        """Sorted; every plug-in is imported for it."""
        self._load()
        return sorted(self._entries)

    def loaded(self) -> list[str]:
        """Names of those that have been imported; nothing is imported to find out."""
        return sorted(self._entries)

    def module_of(self, name: str) -> str:
        """The module of a plug-in: where its class is; of an object, that of the entry point that brought it."""
        entry = self.get(name)
        if isinstance(entry, type):
            return entry.__module__
        return self._brought_by.get(name) or type(entry).__module__

    def __iter__(self) -> Iterator[tuple[str, T]]:
        self._load()
        return iter(sorted(self._entries.items()))

    def left_out(self) -> list[LeftOut]:
        """Plug-ins of this kind that are installed and cannot be used."""
        self._load()
        return [left for left in self._tried.values() if left is not None]

    def _load(self) -> None:
        self._load_own()
        for point in installed(self.group):
            if point not in self._tried and (left := self._import(point)) is not None:
                _say(left)

    def _load_own(self, until: str | None = None) -> None:
        """Our own modules, or as many of them as it takes to know the name `until`: some take long to import."""
        while self._ahead and until not in self._entries:
            module = self._ahead.pop(0)  # before the import, which may look up names itself
            try:
                import_module(module)
            except BaseException:
                self._ahead.insert(0, module)
                raise

    def _import(self, point: EntryPoint) -> LeftOut | None:
        """Import its module, once; what it registers before it fails is forgotten."""
        if point in self._tried:
            return self._tried[point]
        self._tried[point] = None  # before the import, which may look up names itself
        before, fresh = dict(self._entries), _module(point) not in sys.modules
        try:
            with redirect_stdout(sys.stderr):  # standard output is for results
                point.load()
            if fresh and self._entries == before:
                raise ImportError(f"{_module(point)} registers no {self.kind}")
            self._brought_by.update({name: _module(point) for name in self._entries.keys() - before.keys()})
        except KeyboardInterrupt:
            del self._tried[point]
            raise
        except BaseException as error:  # whatever another package does when it is imported, SystemExit too
            kept = {other.name for other in installed(self.group) if other != point and _module(other) in sys.modules}
            self._entries = {name: entry for name, entry in self._entries.items() if name in before or name in kept}
            reason = one_line(f"{type(error).__name__}: {error}")
            self._tried[point] = LeftOut(self.kind, point.name, _package(point), reason)
        return self._tried[point]


@cache
def installed(group: str) -> tuple[EntryPoint, ...]:
    """Every package's, in the same order everywhere."""
    found: Any = _all_points()
    return tuple(sorted(found.select(group=group), key=lambda point: (point.name, _package(point))))


@cache
def _all_points() -> object:
    """Of all groups (``EntryPoints``, in Python 3.11 another class that selects alike): the search takes 15 ms."""
    return entry_points()


def _package(point: EntryPoint) -> str:
    return (point.dist.name if point.dist is not None else "") or "an unknown package"


def _module(point: EntryPoint) -> str:
    """Of any value, also one that is not as it should be (``EntryPoint.module`` raises)."""
    return re.split(r"[:\s\[]", point.value.strip(), maxsplit=1)[0]


def _same(one: object, other: object) -> bool:
    """The same class again is a module imported anew."""
    if isinstance(one, type) and isinstance(other, type):
        return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
    return one == other


def _say(left: LeftOut) -> None:
    """On standard error; worker processes are silent, for the process that started them speaks."""
    workers = sys.modules.get("multiprocessing.process")  # not imported: this is no worker
    if workers is None or workers.parent_process() is None:
        print(f"moe-cosim: {left}", file=sys.stderr)
