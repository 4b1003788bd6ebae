"""Guided search of a sweep's space, with Optuna, on the same store as any sweep."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from moe_cosim import extras
from moe_cosim.errors import InputError
from moe_cosim.sim.sweep.plan.plan import Point, SweepPlan, build_plan
from moe_cosim.sim.sweep.pool.estimate import refuse_hopeless
from moe_cosim.sim.sweep.pool.local import run_points
from moe_cosim.sim.sweep.query.pareto import pareto_front
from moe_cosim.sim.sweep.query.query import Tables
from moe_cosim.sim.sweep.query.search_space import SearchSpace
from moe_cosim.sim.sweep.store.columns import row
from moe_cosim.sim.sweep.store.store import Store

BATCH: Final = 8
"""Trials asked for together. Fixed, so that a seed finds the same whatever the number of workers."""


@dataclass(frozen=True)
class Goal:
    """A metric (a column of `results`) and whether more of it is better."""

    metric: str
    maximize: bool


@dataclass(frozen=True)
class Trial:
    """One choice: its settings, its points (one per seed) and the median of each metric over them."""

    number: int
    variant: str
    settings: dict[str, Any]
    point_ids: list[str]
    values: list[float] | None
    """None where a filter refused it or a point failed."""


@dataclass
class Found:
    """What a search came to. `best` holds one trial, or the Pareto front of two goals."""

    name: str
    goals: list[Goal]
    seed: int
    trials: list[Trial] = field(default_factory=list)
    best: list[Trial] = field(default_factory=list)
    computed: int = 0
    reused: int = 0
    """Points that the store had already, some of them from earlier trials."""
    failures: dict[str, str] = field(default_factory=dict)
    """Point to its one line."""
    left_out: int = 0
    """Points that the store has of other versions of the same configurations: none of them counted."""
    stopped_by: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)


def search(
    path: str | Path,
    opened: Callable[[], Store],
    goals: Sequence[Goal],
    trials: int = 100,
    seed: int = 0,
    workers: int = 1,
    settings: Mapping[str, Any] | None = None,
    memory_bytes: int | None = None,
    watch: Callable[[int], None] | None = None,
) -> Found:
    """Search the space of the sweep file at `path`; `watch` hears of every trial done.

    `opened` gives the store; it is asked once the file has been found good.

    The tree-structured Parzen estimator (Watanabe, arXiv 2304.11127) chooses; with two goals it looks
    for their Pareto front (Ozaki et al., JAIR 73, 2022). The same file, seed and number of trials
    choose the same points, so that a search that was stopped goes on by running it again: what it
    had computed is in the store. Raises `InputError` for bad files and unknown metrics.
    """
    optuna = extras.load("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if not 1 <= len(goals) <= 2:
        raise InputError("search", "goals", len(goals), "one goal, or two for a Pareto front")
    space = SearchSpace(path, settings)
    store = opened()
    found = Found(space.name, list(goals), seed)
    study = optuna.create_study(
        directions=["maximize" if goal.maximize else "minimize" for goal in goals],
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(BATCH, min(trials // 4, 32))),
    )
    seen: dict[str, Point] = {}
    files: dict[str, str] = {}
    sources: dict[str, str] = {}
    while len(found.trials) < trials and found.stopped_by is None:
        asked = [study.ask() for _ in range(min(BATCH, trials - len(found.trials)))]
        choices = [space.ask(each) for each in asked]
        plan, members = _plan(space, choices, path)
        if not found.trials and plan.points and not store.progress(plan).finished:
            refuse_hopeless(plan)
        outcome = run_points(store, plan, None, workers, memory_bytes)
        found.failures.update(outcome.failures)
        found.computed += outcome.finished
        found.reused += outcome.skipped
        seen.update({point.id: point for point in plan.points})
        files.update(plan.files)
        sources.update(plan.sources)
        found.stopped_by = outcome.stopped_by
        if found.stopped_by is not None:
            break
        for each, (variant, chosen), ids in zip(asked, choices, members, strict=True):
            values = _values(store, goals, ids)
            if values is None:
                study.tell(each, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(each, values)
            common = {axis: value for axis, value in chosen[0].items() if len(chosen) == 1 or axis != "seed"}
            found.trials.append(Trial(len(found.trials), variant, common, ids, values))
            if watch is not None:
                watch(len(found.trials))
    found.best = _best(found.trials, goals)
    if seen:  # as one plan, so that `status` and `results` know them
        points = tuple(seen.values())
        whole = SweepPlan(f"{space.name} (search)", space.bases, space.axes, points, 0, 0, files, sources)
        store.add_plan(whole)
        found.left_out = Tables(store, all_versions=True).other_versions_of(seen)
    return found


def _plan(
    space: SearchSpace, choices: list[tuple[str, list[dict[str, Any]]]], where: object
) -> tuple[SweepPlan, list[list[str]]]:
    """The points of a batch, and each trial's among them (none for a trial that a filter refuses)."""
    plans = [
        build_plan(space.name, space.bases, space.axes, [(variant, each) for each in settings], space.conditions, where)
        for variant, settings in choices
    ]
    points = {point.id: point for plan in plans for point in plan.points}
    files = {path: digest for plan in plans for path, digest in plan.files.items()}
    sources = {component: digest for plan in plans for component, digest in plan.sources.items()}
    whole = SweepPlan(space.name, space.bases, space.axes, tuple(points.values()), 0, 0, files, sources)
    return whole, [[point.id for point in plan.points] for plan in plans]


def _values(store: Store, goals: Sequence[Goal], ids: Sequence[str]) -> list[float] | None:
    records = [store.record(point_id) for point_id in ids]
    rows = [row(record) for record in records if record is not None and record.status == "finished"]
    if not rows or len(rows) < len(ids):
        return None
    values = []
    for goal in goals:
        column = [each.get(goal.metric) for each in rows]
        numbers = [value for value in column if isinstance(value, int | float) and not isinstance(value, bool)]
        if len(numbers) < len(rows):
            metrics = [name for name, value in rows[0].items() if isinstance(value, int | float)]
            raise InputError("search", "metric", goal.metric, metrics)
        values.append(float(statistics.median(numbers)))
    return values


def _best(trials: Sequence[Trial], goals: Sequence[Goal]) -> list[Trial]:
    """Undominated trials; of equal choices the first."""
    valued = list({tuple(trial.point_ids): trial for trial in reversed(trials) if trial.values is not None}.values())
    valued.reverse()
    rows = [trial.values or [] for trial in valued]
    front = [valued[index] for index in pareto_front(rows, [goal.maximize for goal in goals])]
    return front if len(goals) > 1 else front[:1]
