"""What a kind of measurement is: the columns of its CSV, and how its rows are predicted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from moe_cosim.assumptions import Assumption
from moe_cosim.sim.run_many import Counted
from moe_cosim.sim.validate.compared import ComparedRow, Refused
from moe_cosim.sim.validate.csv_rows import CsvRow

Comparison: TypeAlias = tuple[list[ComparedRow], list[Refused]]


class NoPredictionError(Exception):
    """Of one row; says why in a line."""


@dataclass(frozen=True)
class Choices:
    """How to predict."""

    model: str = ""
    """Unit model of GPUs, ``tile`` or ``measured``; empty: the catalogue's."""
    fit: str = ""
    """Fit of their constants; empty: the catalogue's."""
    workers: int = 1
    """Processes that run experiments side by side."""
    progress: Counted | None = None


@dataclass(frozen=True)
class MeasurementKind:
    """`compare` gets the rows of all files, in order."""

    name: str
    summary: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    compare: Callable[[Sequence[CsvRow], Choices], Comparison]
    ranked_within: str = ""
    """What rows are grouped by to be ranked; empty: they are no rivals."""
    assumptions: tuple[Assumption, ...] = ()
    """What it makes of rows that say too little."""
