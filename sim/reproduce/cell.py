"""One published number beside what came out here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final

CLOSE: Final = 0.15
"""A value so near to the published one, of that, meets it."""

MET, MODELLING, UNKNOWN_INPUT = "", "modelling", "unknown input"
"""What a misfit is: the simulation misses and the paper's arithmetic on the same plan meets; or both miss."""


@dataclass(frozen=True)
class Cell:
    """With one routing seed or several."""

    figure: str
    cell: str
    published: float
    simulated: float
    """With the first seed."""
    others: tuple[float, ...] = ()
    """With each further seed."""
    interval: tuple[float, float] | None = None
    """Where a measured mean lies with 95 % confidence."""
    arithmetic: float | None = None
    """By the paper's cost model on the first seed's plan; None where nothing is added up."""
    at_most: bool = False
    """Whether the published number is a bound from above."""

    @property
    def ratio(self) -> float:
        """Simulated over published; 1 is as published."""
        return self.simulated / self.published

    @property
    def seeds(self) -> int:
        """Routing seeds that it was simulated with."""
        return len(self._values)

    @property
    def median(self) -> float:
        """Over the seeds."""
        return median(self._values)

    @property
    def low(self) -> float:
        """Lower end of the interval where there is one, else the least of the seeds."""
        return min(self._values) if self.interval is None else self.interval[0]

    @property
    def high(self) -> float:
        """Upper end of the interval where there is one, else the largest of the seeds."""
        return max(self._values) if self.interval is None else self.interval[1]

    @property
    def misfit(self) -> str | None:
        """Empty where the simulation meets the published number; None where there is no arithmetic to tell a misfit by.
        Both are of the first seed, and so of one plan."""
        if self.arithmetic is None:
            return None
        if self.meets(self.simulated):
            return MET
        return MODELLING if self.meets(self.arithmetic) else UNKNOWN_INPUT

    def meets(self, value: float) -> bool:
        """Within `CLOSE` of the published number, or of a bound below it or that near."""
        found = value / self.published - 1
        return found <= CLOSE if self.at_most else abs(found) <= CLOSE

    @property
    def _values(self) -> tuple[float, ...]:
        return self.simulated, *self.others

    def as_dict(self) -> dict[str, Any]:
        """With several seeds also what they span, with an interval its ends; with the arithmetic what a misfit is."""
        added = ("arithmetic",) if self.arithmetic is not None else ()
        told = ("misfit",) if self.arithmetic is not None else ()
        spread = ("median", "low", "high", "seeds") if self.others else ("low", "high") if self.interval else ()
        names = ("figure", "cell", "published", *added, "simulated", "ratio", *told, *spread)
        return {name: getattr(self, name) for name in names}


def over_seeds(cells: Iterable[list[Cell]]) -> list[Cell]:
    """One cell of those in the same place, one list per seed. Where an extreme lies elsewhere with another seed, its
    name has all places."""
    return [
        replace(
            first,
            cell=" or ".join(dict.fromkeys(cell.cell for cell in (first, *rest))),
            others=tuple(cell.simulated for cell in rest),
        )
        for first, *rest in zip(*cells, strict=True)
    ]


def with_arithmetic(cells: Iterable[Cell], added_up: Iterable[Cell]) -> list[Cell]:
    """The cells with what those in the same place came to by the paper's cost model."""
    return [replace(cell, arithmetic=other.simulated) for cell, other in zip(cells, added_up, strict=True)]
