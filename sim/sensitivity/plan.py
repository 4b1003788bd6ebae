"""Which runs show what an assumption does: one for every other end of its range."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from moe_cosim.errors import InputError
from moe_cosim.sim.results.rows import AssumptionRow

NO_RANGE: Final = "it has no range"
ONE_VALUE: Final = "its range is the value in use"


@dataclass(frozen=True)
class Ends:
    """Where else one assumption of a run may be."""

    assumption: AssumptionRow
    values: tuple[Any, ...]
    """Both ends of a range, or every other word of a choice; not the value in use."""


@dataclass(frozen=True)
class NotVaried:
    """An assumption that stays as it is, and why."""

    assumption: str
    value: Any
    reason: str


def ends_of(assumptions: Iterable[AssumptionRow], only: Collection[str] = ()) -> tuple[list[Ends], list[NotVaried]]:
    """What to vary of a run's assumptions (`only`: of these names; none: all), and what cannot be."""
    ends, left_out = [], []
    for row in assumptions:
        if only and row.name not in only:
            continue
        others = tuple(value for value in dict.fromkeys(row.range) if value != row.value)
        if others:
            ends.append(Ends(row, others))
        else:
            left_out.append(NotVaried(row.name, row.value, ONE_VALUE if row.range else NO_RANGE))
    return ends, left_out


def check_made(only: Collection[str], assumptions: Iterable[AssumptionRow]) -> None:
    """Raises `InputError` for a name that no run assumes."""
    made = {row.name for row in assumptions}
    for name in only:
        if name not in made:
            raise InputError("--only", "assumption", name, made)
