"""One registry per kind of plug-in; third parties add to it with a decorator or an entry point.

Entry-point group: ``moe_cosim.<plural>``, for example

    [project.entry-points."moe_cosim.policies"]
    my-policy = "my_package.my_policy"

whose module registers its classes when it is imported. There are the groups ``moe_cosim.policies``,
``engines``, ``routers``, ``allocators``, ``unit_kinds``, ``lowering_hooks``, ``unit_models`` and ``reproductions``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from moe_cosim.errors import InputError, Plain

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to classes of one kind; `plural` names the entry-point group.

    `modules` and the group's entry points are imported on first look-up (they register).
    """

    def __init__(self, kind: str, plural: str, modules: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.group = f"moe_cosim.{plural}"
        self._modules = modules
        self._entries: dict[str, type[T]] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Class decorator. Registering another class under a taken name is an error."""

        def add(cls: type[T]) -> type[T]:
            taken = self._entries.get(name)
            # the same class again is a module imported anew
            if taken is not None and (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
                raise ValueError(f"{self.kind} {name!r} is registered already, by {taken.__module__}")
            self._entries[name] = cls
            return cls

        return add

    def get(self, name: str, where: object = "experiment", field: str | None = None) -> type[T]:
        self._load()
        if name not in self._entries:
            raise InputError(where, field or self.kind, name, self._entries)
        return self._entries[name]

    def names(self) -> list[str]:
        self._load()
        return sorted(self._entries)

    def __iter__(self) -> Iterator[tuple[str, type[T]]]:
        self._load()
        return iter(sorted(self._entries.items()))

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True  # before the imports, which may look up names themselves
        try:
            for module in self._modules:
                import_module(module)
            for point in entry_points(group=self.group):
                self._load_point(point)
        except BaseException:
            self._loaded = False
            raise

    def _load_point(self, point: EntryPoint) -> None:
        try:
            point.load()
        except Exception as error:  # whatever another package does when it is imported
            found = Plain(f"{type(error).__name__}: {error}")
            raise InputError(f"entry point {point.name}", self.group, found, "a module that can be imported") from error
