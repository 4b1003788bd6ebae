"""The search for the set of unknowns that brings all cells of a publication closest."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from moe_cosim import extras
from moe_cosim.errors import InputError, MoeCosimError, Plain
from moe_cosim.sim.reproduce.base import Reproduction, registry
from moe_cosim.sim.reproduce.cell import Cell, over_seeds
from moe_cosim.sim.reproduce.fit.distance import distance, noises
from moe_cosim.sim.reproduce.fit.fitted import Fitted, FittedCell, FittedUnknown
from moe_cosim.sim.reproduce.fit.unknowns import Unknown, settings_of, unknowns_of
from moe_cosim.sim.reproduce.runs import RunKey, key, run_all
from moe_cosim.sim.reproduce.seeds import routing_seeds, with_seed
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run_many import Counted

_SEED: Final = 0
"""Of the search."""
_DRAWN: Final = 0.4
"""Share of the trials that are drawn at random; they also say how special the default set is."""
TRIALS: Final = 60
FEWEST: Final = 4

Values = Mapping[str, Any]


def fit(
    name: str,
    workers: int | None = None,
    quick: bool = False,
    trials: int = TRIALS,
    seeds: int = 3,
    progress: Counted | None = None,
) -> Fitted:
    """One set for all cells, by the tree-structured Parzen estimator (Watanabe, arXiv 2304.11127).

    With `quick`, runs are short, and figures left out that hang on the length. Every set is simulated with the first of
    `seeds` routing seeds; what the others make of the default set is a cell's noise. Needs Optuna (the extra
    ``sweep``). Raises `InputError` for an unknown name, fewer trials than 4, ranges that are points, and a reproduction
    without unknowns.
    """
    started = time.perf_counter()
    if trials < FEWEST:
        raise InputError("reproduce", "--trials", trials, f"a whole number from {FEWEST} on")
    chosen = registry.get(name, "reproduce", "name")(quick)
    if not chosen.variants():
        raise InputError("reproduce", "--fit", Plain(f"{name}, which has no unknown"), "a reproduction of systems")
    optuna = extras.load("optuna", "reproduce --fit")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = _Search(chosen, workers or os.cpu_count() or 1, seeds)
    drawn = max(1, round(_DRAWN * trials))
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=_SEED, n_startup_trials=drawn))
    found: list[tuple[float, Values]] = []
    failed, near = 0, 0
    for number in range(trials):
        trial = study.ask()
        values: Values = {one.name: one.suggest(trial) for one in search.unknowns}
        try:
            far = search.distance(values)
        except MoeCosimError:  # some sets exclude each other
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            failed += 1
        else:
            study.tell(trial, far)
            found.append((far, values))
            near += number < drawn and far <= search.default_distance
        if progress is not None:
            progress(number + 1, trials)
    if not found:
        raise InputError("reproduce", "--fit", Plain("no set that can run"), "ranges in which some can")
    best, values = min(found, key=lambda one: one[0])
    return Fitted(
        name=name,
        title=chosen.title,
        cells=search.beside(values),
        unknowns=[search.alone(one, values[one.name]) for one in search.unknowns],
        default_distance=search.default_distance,
        fitted_distance=best,
        trials=trials,
        failed=failed,
        drawn=drawn,
        as_near_as_default=near / drawn,
        seeds=seeds,
        wall_s=time.perf_counter() - started,
    )


class _Search:
    """The reproduction's cells under any set, and how far they are."""

    def __init__(self, chosen: Reproduction, workers: int, seeds: int) -> None:
        self._chosen, self._workers = chosen, workers
        routings = routing_seeds(0, seeds)
        runs = chosen.runs()
        wanted = dict.fromkeys(with_seed(run, each) for each in routings for run in runs)
        results = run_all(list(wanted), workers, None)
        self._default = over_seeds(
            self._told(lambda run, each=each: results[with_seed(run, each)])  # type: ignore[misc]
            for each in routings
        )
        self._noise = noises(self._default)
        self.default_distance = distance(self._default, self._noise)
        rows = {row.name: row for run in runs for row in results[with_seed(run, 0)].assumptions}
        self._asked = {run[0]: set[str]() for run in runs}
        for run in runs:
            self._asked[run[0]] |= {row.name for row in results[with_seed(run, 0)].assumptions}
        self.unknowns: list[Unknown] = unknowns_of(chosen, rows.values())

    def cells(self, values: Values) -> list[Cell]:
        """Raises what a run raises that cannot be."""
        chosen, settings = self._chosen, settings_of(self.unknowns, values)
        own = {one.name: one.default for one in self.unknowns if not one.is_assumption}
        for name, default in own.items():
            setattr(chosen, name, values.get(name, default))
        try:
            results = run_all([self._under(run, settings) for run in chosen.runs()], self._workers, None)

            def lookup(run: RunKey) -> Result:
                return results[self._under(run, settings)]

            return self._told(lookup)
        finally:
            for name, default in own.items():
                setattr(chosen, name, default)

    def _told(self, lookup: Callable[[RunKey], Result]) -> list[Cell]:
        """The cells that runs of this length say something of."""
        left_out = self._chosen.full_length_only if self._chosen.quick else ()
        return [cell for cell in self._chosen.cells(lookup) if cell.figure not in left_out]

    def distance(self, values: Values) -> float:
        return distance(self.cells(values), self._noise)

    def alone(self, unknown: Unknown, value: Any) -> FittedUnknown:
        far = self.default_distance if value == unknown.default else self.distance({unknown.name: value})
        place = unknown.place(value)
        return FittedUnknown(unknown.name, unknown.default, value, unknown.values, place, far)

    def beside(self, values: Values) -> list[FittedCell]:
        return [
            FittedCell(before.figure, before.cell, before.published, before.simulated, after.simulated, noise)
            for before, after, noise in zip(self._default, self.cells(values), self._noise, strict=True)
        ]

    def _under(self, run: RunKey, settings: Values) -> RunKey:
        """With what this experiment makes assumptions of."""
        experiment, own = with_seed(run, 0)
        asked = self._asked[experiment]
        known = {path: value for path, value in settings.items() if path.removeprefix("assumptions.") in asked}
        return key(experiment, {**known, **dict(own)})
