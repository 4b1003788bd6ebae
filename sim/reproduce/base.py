"""What a reproduction is: named runs, cells computed from them, and what the cells hang on."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from moe_cosim.registry import Registry
from moe_cosim.sim.reproduce.runs import RunKey, Settings, run_all
from moe_cosim.sim.results.result import Result
from moe_cosim.version import VERSION


@dataclass(frozen=True)
class Cell:
    """One published number and what came out here."""

    figure: str
    cell: str
    published: float
    simulated: float

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.simulated / self.published}


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

    @abstractmethod
    def runs(self) -> list[RunKey]:
        """Every run that the cells need."""

    @abstractmethod
    def cells(self, lookup: Callable[[RunKey], Result]) -> list[Cell]:
        """Published beside simulated."""

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
    ("moe_cosim.sim.reproduce.cxl_ndp", "moe_cosim.sim.reproduce.trimoe", "moe_cosim.sim.reproduce.edge_ndp"),
)


def reproduce(
    name: str,
    workers: int | None = None,
    sensitivity: bool = True,
    quick: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Reproduced:
    """Run a reproduction, `workers` processes side by side (default: one per core)."""
    started = time.perf_counter()
    chosen = registry.get(name, "reproduce", "name")(quick)
    variants = chosen.variants() if sensitivity else []
    wanted = dict.fromkeys(chosen.runs())
    for variant in variants:
        wanted.update(dict.fromkeys(chosen.variant_runs(variant)))
    results = run_all(list(wanted), workers or os.cpu_count() or 1, progress)
    lookup = results.__getitem__
    rows = [
        {"assumption": variant.assumption, "value": variant.value, "cell": cell, "simulated": simulated}
        for variant in variants
        for cell, simulated in chosen.variant_cells(variant, lookup).items()
    ]
    used = {row.name: row.as_dict() for wanted_run in chosen.runs() for row in results[wanted_run].assumptions}
    return Reproduced(
        name=name,
        title=chosen.title,
        cells=chosen.cells(lookup),
        assumptions=list(used.values()),
        sensitivity=rows,
        notes=chosen.notes(),
        runs=len(results),
        events=sum(result.events for result in results.values()),
        wall_s=time.perf_counter() - started,
    )
