"""What nobody published, with the range that it may be in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from moe_cosim.errors import InputError, Plain
from moe_cosim.quantity import dimension_of, format_quantity, parse_quantity
from moe_cosim.sim.reproduce.base import Reproduction
from moe_cosim.sim.results.rows import AssumptionRow

_WIDE = 10.0
"""A range from above 0 whose ends are so many times apart is looked at by its logarithm."""


@dataclass(frozen=True)
class Unknown:
    """An assumption of some runs, or a choice of the reproduction itself."""

    name: str
    default: Any
    values: tuple[Any, ...]
    """Both ends of a range, or every choice."""
    dimension: str | None
    """Of a range; None of choices."""
    is_assumption: bool = True

    def distribution(self) -> Any:
        """What Optuna draws: a number in the dimension's unit, or a choice's index."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.dimension is None:
            return CategoricalDistribution(tuple(range(len(self.values))))
        low, high = (self._number(end) for end in self.values)
        if isinstance(self.default, int):
            return IntDistribution(int(low), int(high), log=self._by_logarithm)
        return FloatDistribution(low, high, log=self._by_logarithm)

    def value(self, drawn: float) -> Any:
        """As an experiment writes what was drawn."""
        if self.dimension is None:
            return self.values[int(drawn)]
        return drawn if self.dimension == "number" else format_quantity(drawn, self.dimension)

    def drawn(self, value: Any) -> float:
        """What `value` gives."""
        if self.dimension is None:
            return self.values.index(value)
        return int(value) if isinstance(self.default, int) else self._number(value)

    def place(self, value: Any) -> float | None:
        """Where in the range, from 0 to 1; None of a choice."""
        if self.dimension is None:
            return None
        low, high, at = (self._number(one) for one in (*self.values, value))
        if self._by_logarithm:
            low, high, at = map(math.log, (low, high, at))
        return (at - low) / (high - low)

    @property
    def elsewhere(self) -> list[Any]:
        """Both ends of a range, or every choice, but the default."""
        return [value for value in self.values if value != self.default]

    @property
    def _by_logarithm(self) -> bool:
        low, high = (self._number(end) for end in self.values)
        return low > 0 and high / low >= _WIDE

    def _number(self, value: Any) -> float:
        assert self.dimension is not None  # asked of ranges alone
        return parse_quantity(value, self.dimension, "fit", self.name)


def unknowns_of(chosen: Reproduction, used: Iterable[AssumptionRow]) -> list[Unknown]:
    """The assumptions that the runs `used`, over the ranges that they state, and the reproduction's own choices.

    Raises `InputError` for a range that is a point, and where there is nothing to vary.
    """
    found = [_of_row(row) for row in used if row.range]
    found += [
        Unknown(name, getattr(chosen, name), values, None, is_assumption=False)
        for name, values in chosen.choices.items()
    ]
    for unknown in found:
        if len(set(unknown.values)) < 2:
            point = Plain(f"a range that is a point ({unknown.values[0] if unknown.values else 'empty'})")
            raise InputError("reproduce", f"--fit: {unknown.name}", point, "two ends, or two choices")
    if not found:
        raise InputError("reproduce", "--fit", Plain("no unknown to vary"), "a reproduction with assumptions to vary")
    return found


def _of_row(row: AssumptionRow) -> Unknown:
    ends = tuple(row.range)
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
    dimension = "number" if numbers else dimension_of(str(ends[0])) if len(ends) == 2 else None
    return Unknown(row.name, row.value, ends, dimension)


def settings_of(unknowns: Iterable[Unknown], values: Mapping[str, Any]) -> dict[str, Any]:
    """Of the assumptions among them, as experiments set them."""
    return {f"assumptions.{one.name}": values[one.name] for one in unknowns if one.is_assumption and one.name in values}
