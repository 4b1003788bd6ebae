"""What a reproduction is: named runs, cells computed from them, and what the cells hang on."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from moe_cosim.errors import InputError
from moe_cosim.registry import Registry
from moe_cosim.sim.reproduce.cell import CLOSE, MODELLING, UNKNOWN_INPUT, Cell, over_seeds, with_arithmetic
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, Settings, added_up, run_all
from moe_cosim.sim.reproduce.seeds import routing_seeds, seeds_note, with_seed
from moe_cosim.sim.run_many import Counted
from moe_cosim.version import VERSION


@dataclass(frozen=True)
class Variant:
    """One assumption set to another value of its range."""

    assumption: str
    value: Any
    settings: Settings

    @classmethod
    def assuming(cls, name: str, value: object) -> Variant:
        """An assumption of the runs."""
        return cls(name, value, {f"assumptions.{name}": value})


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
        """As ``--json`` prints it."""
        return {**asdict(self), "cells": [cell.as_dict() for cell in self.cells]}


class Reproduction(ABC):
    """One publication. `lookup` gives the result of a run that `runs` asked for."""

    title: ClassVar[str]
    cost_model: ClassVar[str | None] = None
    """What the engine ``makespan`` adds every plan up by (its option `model`); None: nothing is added up."""
    short: ClassVar[Mapping[str, Any]] = {}
    """Attributes of the reproduction, and what they are where many sets are simulated (`fit`): shorter runs, of which
    only the change from set to set counts."""
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    """Unknowns that are no assumption, for `fit`: attributes of the reproduction, and what each may be."""

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
    def cells(self, lookup: Lookup) -> list[Cell]:
        """Published beside simulated, of one seed: as many and in the same order whatever the results."""

    @abstractmethod
    def variants(self) -> list[Variant]:
        """Assumptions to vary, one at a time; the first is the default set."""

    @abstractmethod
    def variant_runs(self, variant: Variant) -> list[RunKey]:
        """The (shorter) runs that show what a variant does."""

    @abstractmethod
    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        """Cells (by name) under a variant."""

    @abstractmethod
    def notes(self) -> list[str]:
        """What a reader must know to judge the cells."""


registry: Registry[type[Reproduction]] = Registry(
    "reproduction",
    "reproductions",
    tuple(
        f"moe_cosim.sim.reproduce.papers.{name}"
        for name in (
            "cxl_ndp",
            "trimoe",
            "edge_ndp",
            "infinity",
            "dynaexq",
            "dymoe",
            "sieve",
            "specmoe",
            "speculating_experts",
            "wisp",
            "dali",
            "moe_lightning",
            "moe_gen",
            "cox_moe",
            "klotski",
            "hermes",
            "cxl_ndp_accuracy",
        )
    ),
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

    Cells are computed with each of `seeds` routing seeds, `seed` and those that follow it; sensitivity, and what the
    paper's arithmetic makes of the plans, with the first alone. `of_model`: folders of a model and of texts, for a
    reproduction that measures one. Raises `InputError` for an unknown name and for fewer than one seed or more than
    1000.
    """
    started = time.perf_counter()
    kind = registry.get(name, "reproduce", "name")
    chosen = kind(quick) if of_model is None else kind.of_model(quick, *of_model)
    routings = routing_seeds(seed, seeds)
    variants = chosen.variants() if sensitivity else []
    runs = chosen.runs()
    wanted = dict.fromkeys(with_seed(run, each) for each in routings for run in runs)
    model = chosen.cost_model
    if model is not None:
        wanted.update(dict.fromkeys(added_up(with_seed(run, seed), model) for run in runs))
    for variant in variants:
        wanted.update(dict.fromkeys(with_seed(run, seed) for run in chosen.variant_runs(variant)))
    results = run_all(list(wanted), workers or os.cpu_count() or 1, progress)

    def results_of(each: int) -> Lookup:
        return lambda run: results[with_seed(run, each)]

    first = results_of(seed)
    rows = [
        {"assumption": variant.assumption, "value": variant.value, "cell": cell, "simulated": simulated}
        for variant in variants
        for cell, simulated in chosen.variant_cells(variant, first).items()
    ]
    cells = over_seeds(chosen.cells(results_of(each)) for each in routings)
    if model is not None:
        cells = with_arithmetic(cells, chosen.cells(lambda run: results[added_up(with_seed(run, seed), model)]))
    used = {row.name: row.as_dict() for run in runs for row in first(run).assumptions}
    return Reproduced(
        name=name,
        title=chosen.title,
        cells=cells,
        assumptions=list(used.values()),
        sensitivity=rows,
        notes=[*chosen.notes(), *_arithmetic_note(model), *seeds_note(routings)],
        runs=len(results),
        events=sum(result.events for result in results.values()),
        wall_s=time.perf_counter() - started,
    )


def _arithmetic_note(model: str | None) -> list[str]:
    """What the third column is, and the rule by which a misfit is told."""
    if model is None:
        return []
    whose = "each policy's own cost model" if model == "policy" else f"the cost model {model} for all systems"
    return [
        f"Arithmetic: {whose} on the same plans, nothing shared (engine makespan).",
        f"Within {CLOSE:.0%} of the published number is met. A misfit is {MODELLING} where the simulation misses and "
        f"the arithmetic meets, and of an {UNKNOWN_INPUT} where both miss.",
    ]
