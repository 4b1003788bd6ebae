"""Named assumptions: what nobody published, with a default, a range and a reason.

A description (a device, a policy, a routing preset) *declares* assumptions; an experiment may set
other values by name; every result lists those its run used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from moe_cosim.errors import InputError
from moe_cosim.quantity import parse_quantity

Value = float | str


@dataclass(frozen=True)
class Assumption:
    """One unknown, as text people can read (`value` and `range` keep their units).

    `range` is ``(low, high)`` for numbers and quantities, or every allowed word for a choice.
    """

    name: str
    value: Any
    range: tuple[Any, ...]
    source: str
    dimension: str = "number"
    """A dimension of `moe_cosim.quantity`, or ``choice``."""

    def number(self, where: object = "assumption") -> float:
        """The value in the base unit of its dimension."""
        return parse_quantity(self.value, self.dimension, where, self.name)

    def as_dict(self) -> dict[str, Any]:
        """As results have it."""
        return {"name": self.name, "value": self.value, "range": list(self.range), "source": self.source}


class Assumptions:
    """The assumptions one run made, in the order in which they were first used."""

    def __init__(self, settings: Mapping[str, Any] | None = None, where: object = "experiment") -> None:
        self._settings = dict(settings or {})
        self._where = where
        self._used: dict[str, Assumption] = {}
        self._heard: dict[str, str] | None = None

    def resolve(self, declared: Assumption) -> Assumption:
        """`declared` with the experiment's value where it sets one; remembered as used."""
        self._hear(declared.name)
        if declared.name in self._used:
            return self._used[declared.name]
        resolved = declared
        if declared.name in self._settings:
            resolved = replace(declared, value=self._settings[declared.name])
        self._check(resolved)
        self._used[declared.name] = resolved
        return resolved

    def number(self, declared: Assumption) -> float:
        """Shorthand: resolve, and return the value in its base unit."""
        return self.resolve(declared).number(self._where)

    def choice(self, declared: Assumption) -> str:
        """Shorthand: resolve, and return the chosen word."""
        return str(self.resolve(declared).value)

    def settings_of(self, asked: Iterable[Assumption]) -> str:
        """What the experiment sets these to, as text in which 1 and 1.0 differ."""
        return repr({one.name: self._settings[one.name] for one in asked if one.name in self._settings})

    def apart(self) -> Assumptions:
        """Others with the same settings, none of them used yet."""
        return Assumptions(self._settings, self._where)

    def recall(self, resolved: Iterable[Assumption]) -> None:
        """These were resolved before, under the same settings, and are used here too."""
        for one in resolved:
            self._hear(one.name)
            self._used.setdefault(one.name, one)

    def listen(self) -> dict[str, str]:
        """Every assumption that is asked for from now on, in order: its name, and its `basis` at that time. Once."""
        self._heard = {}
        return self._heard

    def basis(self, name: str) -> str:
        """What decides the value of an assumption of that name, asked for now: the value in use, or else what the
        experiment sets, or else the declaration's default."""
        if name in self._used:
            return f"in use: {self._used[name].value!r}"
        return f"set: {self._settings[name]!r}" if name in self._settings else "default"

    def _hear(self, name: str) -> None:
        if self._heard is not None and name not in self._heard:
            self._heard[name] = self.basis(name)

    def used(self) -> list[Assumption]:
        """In the order in which they were first asked for."""
        return list(self._used.values())

    def check_all_settings_used(self) -> None:
        """Raise `InputError` for a setting of an assumption that nothing in this run declares."""
        for name in self._settings:
            if name not in self._used:
                raise InputError(self._where, f"assumptions.{name}", name, self._used)

    def _check(self, assumption: Assumption) -> None:
        field = f"assumptions.{assumption.name}"
        if assumption.dimension == "choice":
            if assumption.value not in assumption.range:
                raise InputError(self._where, field, assumption.value, map(str, assumption.range))
            return
        value = parse_quantity(assumption.value, assumption.dimension, self._where, field)
        low, high = (parse_quantity(end, assumption.dimension, self._where, field) for end in assumption.range)
        if not low <= value <= high:
            raise InputError(
                self._where, field, assumption.value, f"between {assumption.range[0]} and {assumption.range[1]}"
            )
