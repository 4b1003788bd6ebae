"""The values an axis takes: a list, a range, or seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from moe_cosim.errors import InputError, Plain

MOST_VALUES: Final = 1_000_000
"""Of one axis; more is a typing error, not a plan."""

_ALLOWED = "a list of values, {range: [1, 8], step: 1}, {range: [1, 64], count: 7, spacing: log}, or {seeds: 5}"
_RANGE_FIELDS = ("range", "step", "count", "spacing", "unit", "integer")


def axis_values(written: Any, where: object, field: str) -> list[Any]:
    """Every value of the axis, in order.

    A range includes both ends. ``unit`` makes quantities of numbers (``16`` becomes ``16 GB/s``);
    ``integer`` rounds. Raises `InputError` for anything else than `_ALLOWED`, or for no values.
    """
    if isinstance(written, list):
        if not written:
            raise InputError(where, field, Plain("an empty list"), "at least one value")
        return written
    if not isinstance(written, Mapping):
        raise InputError(where, field, written, _ALLOWED)
    if "seeds" in written:
        return _seeds(written, where, field)
    if "range" in written:
        interval = Interval.read(written, where, field)
        return [interval.written(value) for value in interval.steps(written, where, field)]
    raise InputError(where, field, dict(written), _ALLOWED)


class Interval:
    """The interval behind a range, a latin-hypercube axis or a search axis."""

    def __init__(self, low: float, high: float, log: bool, integer: bool, unit: str | None) -> None:
        self.low, self.high, self.log, self.integer, self.unit = low, high, log, integer, unit

    @classmethod
    def read(cls, written: Mapping[str, Any], where: object, field: str) -> Interval:
        """From ``{range: [low, high], spacing, unit, integer}``. Raises `InputError`."""
        for key in written:
            if key not in _RANGE_FIELDS:
                raise InputError(where, f"{field}.{key}", Plain("an unknown field"), _RANGE_FIELDS)
        ends = written["range"]
        if not isinstance(ends, list) or len(ends) != 2 or not all(_is_number(end) for end in ends):
            raise InputError(where, f"{field}.range", ends, "two numbers, such as [1, 8]")
        low, high = ends
        if low > high:
            raise InputError(where, f"{field}.range", ends, "the lower end first")
        spacing = written.get("spacing", "linear")
        if spacing not in ("linear", "log"):
            raise InputError(where, f"{field}.spacing", spacing, ("linear", "log"))
        if spacing == "log" and low <= 0:
            raise InputError(where, f"{field}.range", ends, "ends above 0 for a logarithmic range")
        unit, integer = written.get("unit"), written.get("integer", False)
        if unit is not None and (not isinstance(unit, str) or not unit.strip()):
            raise InputError(where, f"{field}.unit", unit, "a unit such as 'GB/s'")
        if not isinstance(integer, bool):
            raise InputError(where, f"{field}.integer", integer, "true or false")
        return cls(low, high, spacing == "log", integer, unit)

    def at(self, share: float) -> Any:
        """The value `share` (0 to 1) of the way through the interval."""
        if self.log:
            value = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + share * (self.high - self.low)
        return self.written(min(max(value, self.low), self.high))

    def written(self, value: float) -> Any:
        """`value` as the experiment takes it: rounded where asked, with its unit."""
        if self.integer:
            value = round(value)
        elif isinstance(value, float):
            value = float(f"{value:.12g}")  # 0.1 * 3 is written 0.3
        if self.unit is None:
            return value
        return f"{value:g} {self.unit}" if float(f"{value:g}") == value else f"{value!r} {self.unit}"

    def steps(self, written: Mapping[str, Any], where: object, field: str) -> list[float]:
        """The values of ``step`` or ``count``. Raises `InputError`."""
        if ("step" in written) == ("count" in written):
            raise InputError(where, field, dict(written), "a range with either step or count")
        if "count" in written:
            return self._counted(_count(written["count"], where, f"{field}.count"))
        step = written["step"]
        if not _is_number(step) or step <= 0:
            raise InputError(where, f"{field}.step", step, "a number above 0")
        if self.log:
            raise InputError(where, f"{field}.step", step, "count, for a logarithmic range")
        spans = (self.high - self.low) / step
        if not spans < MOST_VALUES:
            raise InputError(where, f"{field}.step", step, f"a step that makes at most {MOST_VALUES:,} values")
        number = math.floor(spans + 1e-9) + 1
        return [self.low + index * step for index in range(number)]

    def _counted(self, count: int) -> list[float]:
        if count == 1 or self.low == self.high:
            return [self.low]
        if self.log:
            ratio = math.log(self.high / self.low)
            inner: list[float] = [self.low * math.exp(ratio * i / (count - 1)) for i in range(1, count - 1)]
        else:
            inner = [self.low + (self.high - self.low) * i / (count - 1) for i in range(1, count - 1)]
        return [self.low, *inner, self.high]


def _seeds(written: Mapping[str, Any], where: object, field: str) -> list[int]:
    for key in written:
        if key not in ("seeds", "first"):
            raise InputError(where, f"{field}.{key}", Plain("an unknown field"), ("seeds", "first"))
    first = written.get("first", 0)
    if not isinstance(first, int) or isinstance(first, bool) or first < 0:
        raise InputError(where, f"{field}.first", first, "a whole number of 0 or more")
    return [first + index for index in range(_count(written["seeds"], where, f"{field}.seeds"))]


def _count(value: Any, where: object, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_VALUES:
        raise InputError(where, field, value, f"a whole number from 1 to {MOST_VALUES:,}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
