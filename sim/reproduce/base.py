"""What a reproduction is: named runs, cells computed from them, and what the cells hang on."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any, ClassVar

from moe_cosim.errors import InputError
from moe_cosim.registry import Registry
from moe_cosim.sim.reproduce.runs import RunKey, Settings, run_all
from moe_cosim.sim.reproduce.seeds import routing_seeds, seeds_note, with_seed
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run_many import Counted
from moe_cosim.version import VERSION


@dataclass(frozen=True)
class Cell:
    """One published number and what came out here, with one routing seed or several."""

    figure: str
    cell: str
    published: float
    simulated: float
    """With the first seed."""
    others: tuple[float, ...] = ()
    """With each further seed."""
    interval: tuple[float, float] | None = None
    """Where a measured mean lies with 95 % confidence."""

    @property
    def ratio(self) -> float:
        return self.simulated / self.published

    @property
    def seeds(self) -> int:
        return len(self._values)

    @property
    def median(self) -> float:
        return median(self._values)

    @property
    def low(self) -> float:
        return min(self._values) if self.interval is None else self.interval[0]

    @property
    def high(self) -> float:
        return max(self._values) if self.interval is None else self.interval[1]

    @property
    def _values(self) -> tuple[float, ...]:
        return self.simulated, *self.others

    def as_dict(self) -> dict[str, Any]:
        """With several seeds also what they span, with an interval its ends."""
        spread = ("median", "low", "high", "seeds") if self.others else ("low", "high") if self.interval else ()
        names = ("figure", "cell", "published", "simulated", "ratio", *spread)
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


@dataclass(frozen=True)
class Variant:
    """One assumption set to another value of its range."""

    assumption: str
    value: Any
    settings: Settings


@dataclass(frozen=True)
class Reproduced:
    """What ``moe-cosim reproduce`` prints."""

    name: str
    title: str
    cells: list[Cell]
    assumptions: list[dict[str, Any]]
    sensitivity: list[dict[str, Any]]
    notes: list[str]
    runs: int
    events: int
    wall_s: float
    version: str = field(default=VERSION)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "cells": [cell.as_dict() for cell in self.cells]}


class Reproduction(ABC):
    """One publication. `lookup` gives the result of a run that `runs` asked for."""

    title: ClassVar[str]

    def __init__(self, quick: bool) -> None:
        self.quick = quick

    @classmethod
    def of_model(cls, quick: bool, model: Path, texts: Path) -> Reproduction:
        """Asked anew of a model's folder and a folder of texts. Raises `InputError` where no model is asked."""
        raise InputError("command line", "--model", str(model), "only with cxl-ndp-accuracy, which measures a model")

    @abstractmethod
    def runs(self) -> list[RunKey]:
        """Every run that the cells need."""

    @abstractmethod
    def cells(self, lookup: Callable[[RunKey], Result]) -> list[Cell]:
        """Published beside simulated, of one seed: as many and in the same order whatever the results."""

    @abstractmethod
    def variants(self) -> list[Variant]:
        """Assumptions to vary, one at a time; the first is the default set."""

    @abstractmethod
    def variant_runs(self, variant: Variant) -> list[RunKey]:
        """The (shorter) runs that show what a variant does."""

    @abstractmethod
    def variant_cells(self, variant: Variant, lookup: Callable[[RunKey], Result]) -> dict[str, float]:
        """Cells (by name) under a variant."""

    @abstractmethod
    def notes(self) -> list[str]:
        """What a reader must know to judge the cells."""


registry: Registry[type[Reproduction]] = Registry(
    "reproduction",
    "reproductions",
    tuple(f"moe_cosim.sim.reproduce.{name}" for name in ("cxl_ndp", "trimoe", "edge_ndp", "cxl_ndp_accuracy")),
)


def reproduce(
    name: str,
    workers: int | None = None,
    sensitivity: bool = True,
    quick: bool = False,
    progress: Counted | None = None,
    seeds: int = 1,
    seed: int = 0,
    of_model: tuple[Path, Path] | None = None,
) -> Reproduced:
    """Run a reproduction, `workers` processes side by side (default: one per core).

    Cells are computed with each of `seeds` routing seeds, `seed` and those that follow it; sensitivity with the first
    alone. `of_model`: folders of a model and of texts, for a reproduction that measures one. Raises `InputError` for an
    unknown name and for fewer than one seed or more than 1000.
    """
    started = time.perf_counter()
    kind = registry.get(name, "reproduce", "name")
    chosen = kind(quick) if of_model is None else kind.of_model(quick, *of_model)
    routings = routing_seeds(seed, seeds)
    variants = chosen.variants() if sensitivity else []
    runs = chosen.runs()
    wanted = dict.fromkeys(with_seed(run, each) for each in routings for run in runs)
    for variant in variants:
        wanted.update(dict.fromkeys(with_seed(run, seed) for run in chosen.variant_runs(variant)))
    results = run_all(list(wanted), workers or os.cpu_count() or 1, progress)

    def results_of(each: int) -> Callable[[RunKey], Result]:
        return lambda run: results[with_seed(run, each)]

    first = results_of(seed)
    rows = [
        {"assumption": variant.assumption, "value": variant.value, "cell": cell, "simulated": simulated}
        for variant in variants
        for cell, simulated in chosen.variant_cells(variant, first).items()
    ]
    used = {row.name: row.as_dict() for run in runs for row in first(run).assumptions}
    return Reproduced(
        name=name,
        title=chosen.title,
        cells=over_seeds(chosen.cells(results_of(each)) for each in routings),
        assumptions=list(used.values()),
        sensitivity=rows,
        notes=[*chosen.notes(), *seeds_note(routings)],
        runs=len(results),
        events=sum(result.events for result in results.values()),
        wall_s=time.perf_counter() - started,
    )
