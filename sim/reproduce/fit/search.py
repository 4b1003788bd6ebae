"""The search for the set of unknowns that brings all cells of a publication closest."""

from __future__ import annotations

import math
import os
import time
from typing import Any, Final

from moe_cosim import extras
from moe_cosim.errors import InputError, MoeCosimError, Plain
from moe_cosim.sim.reproduce.base import registry
from moe_cosim.sim.reproduce.fit.fitted import Fitted, FittedCell, FittedUnknown
from moe_cosim.sim.reproduce.fit.screening import Screened, screened
from moe_cosim.sim.reproduce.fit.simulated import SimulatedSets, Values
from moe_cosim.sim.reproduce.fit.unknowns import Unknown
from moe_cosim.sim.run_many import Counted

_SEED: Final = 0
"""Of the search."""
_DRAWN: Final = 0.4
"""Share of the trials that are drawn at random; they also say how special the default set is."""
_AS_NEAR: Final = 1.01
"""An unknown whose return to its default costs no more than 1 % of the distance returns."""
TRIALS: Final = 60
FEWEST: Final = 4


def fit(
    name: str,
    workers: int | None = None,
    quick: bool = False,
    trials: int = TRIALS,
    seeds: int = 3,
    progress: Counted | None = None,
) -> Fitted:
    """One set for all cells, by the tree-structured Parzen estimator (Watanabe, arXiv 2304.11127).

    The unknowns are all assumptions of the runs, over the ranges that they state, and the reproduction's own choices;
    those that move no cell are left out. Sets are searched with short runs (`Reproduction.short`), which say how cells
    change from where the default set has them in full length, with the first of `seeds` routing seeds; what the others
    make of the default set is a cell's noise. The set found is simulated in full length; with `quick` nothing is. Needs
    Optuna (the extra ``sweep``). Raises `InputError` for an unknown name, fewer trials than 4, ranges that are points,
    and a reproduction without unknowns.
    """
    started = time.perf_counter()
    if trials < FEWEST:
        raise InputError("reproduce", "--trials", trials, f"a whole number from {FEWEST} on")
    kind = registry.get(name, "reproduce", "name")
    full, short = kind(False), kind(False)
    if not full.variants():
        raise InputError("reproduce", "--fit", Plain(f"{name}, which has no unknown"), "a reproduction of systems")
    for attribute, value in kind.short.items():
        setattr(short, attribute, value)
    optuna = extras.load("optuna", "reproduce --fit")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    workers = workers or os.cpu_count() or 1
    whole = None if quick else SimulatedSets(full, workers, seeds=1)
    sets = SimulatedSets(short, workers, seeds, whole.default if whole else ())
    search = _Search(sets, screened(sets, progress), optuna)
    search.try_together()
    search.try_sets(trials, progress)
    values, far = search.plainest()
    shown = whole or sets
    return Fitted(
        name=name,
        title=full.title,
        cells=[
            FittedCell(
                was.figure, was.cell, was.published, was.simulated, now.simulated, noise=noise, at_most=was.at_most
            )
            for was, now, noise in zip(shown.default, shown.cells(values), sets.noise, strict=True)
        ],
        unknowns=sorted((search.told(one, values) for one in search.unknowns), key=_needed),
        asked=len(sets.unknowns),
        default_distance=search.default_distance,
        fitted_distance=far,
        trials=trials,
        failed=search.failed,
        drawn=search.drawn,
        as_near_as_default=search.near / search.drawn,
        seeds=seeds,
        wall_s=time.perf_counter() - started,
    )


def _needed(unknown: FittedUnknown) -> float:
    """For those first without which the fitted set is farthest."""
    return -math.inf if unknown.without is None else -unknown.without


class _Search:
    """What is known of sets so far."""

    def __init__(self, sets: SimulatedSets, found: Screened, optuna: Any) -> None:
        self._sets, self._found, self._optuna = sets, found, optuna
        self.unknowns = found.moving
        self.default_distance = sets.distance(sets.default)
        self._tried: list[tuple[Values, float]] = [({}, self.default_distance), *found.tried]
        self.failed, self.near, self.drawn = 0, 0, 0

    def try_together(self) -> None:
        """What was tried alone, the nearest first, each on top of those before that brought the cells nearer."""
        values, far = min(self._tried, key=lambda one: one[1])
        for alone, _ in sorted(self._found.tried, key=lambda one: one[1]):
            both = {**values, **alone}
            nearer = self._distance(both)
            if nearer < far:
                values, far = both, nearer

    def try_sets(self, trials: int, progress: Counted | None) -> None:
        """A share of them drawn at random, then by what all before came to, the ends and those together too."""
        optuna, distributions = self._optuna, {one.name: one.distribution() for one in self.unknowns}
        self.drawn = max(1, round(_DRAWN * trials))
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=_SEED))
        for values, far in self._tried:
            params = {one.name: one.drawn(values.get(one.name, one.default)) for one in self.unknowns}
            study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=far))
        for number in range(trials):
            if number == self.drawn:
                study.sampler = optuna.samplers.TPESampler(seed=_SEED, n_startup_trials=0)
            trial = study.ask(distributions)
            values = {one.name: one.value(trial.params[one.name]) for one in self.unknowns}
            far = self._distance(values)
            study.tell(trial, far)
            self.near += number < self.drawn and far <= self.default_distance
            if progress is not None:
                progress(number + 1, trials)

    def plainest(self) -> tuple[Values, float]:
        """The nearest set, with every unknown back at its default whose place does not matter; and its distance."""
        values, far = min(self._tried, key=lambda one: one[1])
        enough = far * _AS_NEAR
        for unknown in 2 * sorted(self.unknowns, key=self._found.nearest, reverse=True):  # one may go once others have
            fewer = {name: value for name, value in values.items() if name != unknown.name}
            without = self._distance(fewer)
            if without <= enough:
                values, far = fewer, without
        return values, far

    def told(self, unknown: Unknown, values: Values) -> FittedUnknown:
        """Its place, how near it alone comes (at its fitted value or an end), and how far the set is without it."""
        name, value = unknown.name, values.get(unknown.name, unknown.default)
        others = {each: at for each, at in values.items() if each != name}
        alone = [(self.default_distance, unknown.default)]
        alone += [(far, one[name]) for one, far in self._found.tried if name in one]
        if name in values:
            alone.append((self._distance({name: value}), value))
        near, at = min(alone, key=lambda one: one[0])
        without = self._distance(others)
        return FittedUnknown(
            name,
            unknown.default,
            value,
            unknown.values,
            unknown.place(value),
            near,
            at,
            without if math.isfinite(without) else None,
        )

    def _distance(self, values: Values) -> float:
        """Infinite where a run cannot be: some sets exclude each other."""
        for known, far in self._tried:
            if known == values:
                return far
        try:
            far = self._sets.distance(self._sets.cells(values))
        except MoeCosimError:
            far = float("inf")
            self.failed += 1
        self._tried.append((values, far))
        return far
