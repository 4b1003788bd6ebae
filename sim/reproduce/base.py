"""What a reproduction is: named runs, cells computed from them, and what the cells hang on."""

from __future__ import annotations

import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from typing import Any, ClassVar

from moe_cosim.errors import RunError
from moe_cosim.registry import Registry
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run
from moe_cosim.version import VERSION

Settings = Mapping[str, Any]
RunKey = tuple[str, tuple[tuple[str, Any], ...]]
"""(shipped experiment, settings): what identifies a run."""


def key(experiment: str, settings: Settings) -> RunKey:
    return experiment, tuple(sorted(settings.items()))


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
class Outcome:
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
) -> Outcome:
    """Run a reproduction, `workers` processes side by side (default: one per core)."""
    started = time.perf_counter()
    chosen = registry.get(name, "reproduce", "name")(quick)
    variants = chosen.variants() if sensitivity else []
    wanted = dict.fromkeys(chosen.runs())
    for variant in variants:
        wanted.update(dict.fromkeys(chosen.variant_runs(variant)))
    results = _run_all(list(wanted), workers or os.cpu_count() or 1, progress)
    lookup = results.__getitem__
    rows = [
        {"assumption": variant.assumption, "value": variant.value, "cell": cell, "simulated": simulated}
        for variant in variants
        for cell, simulated in chosen.variant_cells(variant, lookup).items()
    ]
    used = {row.name: row.as_dict() for wanted_run in chosen.runs() for row in results[wanted_run].assumptions}
    return Outcome(
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


def _run_all(wanted: list[RunKey], workers: int, progress: Callable[[float], None] | None) -> dict[RunKey, Result]:
    """Longest runs first, so that no worker is left with one at the end."""
    order = sorted(wanted, key=lambda run_key: -dict(run_key[1]).get("workload.output_tokens", 0))
    results: dict[RunKey, Result] = {}
    if workers == 1:
        for run_key in order:
            results[run_key] = _run_one(run_key)
            if progress is not None:
                progress(len(results) / len(order))
        return results
    # forkserver: workers start clean, whatever threads the caller has
    context = get_context("forkserver")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_quietly_on_interrupt) as pool:
        futures = {pool.submit(_run_one, run_key): run_key for run_key in order}
        try:
            for done in as_completed(futures):
                results[futures[done]] = done.result()
                if progress is not None:
                    progress(len(results) / len(order))
        except BrokenProcessPool:
            raise RunError("a worker process died: out of memory, perhaps (fewer --workers need less)") from None
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return results


def _end_quietly_on_interrupt() -> None:
    """Ctrl-C reaches the workers too: the command's own line is enough."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _run_one(run_key: RunKey) -> Result:
    experiment, settings = run_key
    return run(experiment, dict(settings)).without_timeline()
