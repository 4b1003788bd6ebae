"""From the figures of runs with one assumption elsewhere to how far each assumption moves an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moe_cosim.sim.sensitivity.metrics import METRICS


@dataclass(frozen=True)
class VariedRun:
    """One run with one assumption at another value; or nothing varied, and `assumption` is empty."""

    experiment: str
    assumption: str
    value: Any
    default: Any
    """What the run of which nothing is varied assumes."""
    figures: dict[str, float]
    """By metric; none where there is an `error`."""
    error: str | None = None
    """The one line of a run that failed."""


@dataclass(frozen=True)
class Swing:
    """How far one assumption moves one figure over its range."""

    metric: str
    against: str
    """A run: the figure is how many times better than it the run is, the assumption the same in both; empty: the
    figure is the run's own."""
    assumption: str
    value: Any
    """In use."""
    answer: float
    """With that."""
    lowest: float
    lowest_at: Any
    """The value of the assumption."""
    highest: float
    highest_at: Any
    failed_at: list[Any]
    """Values at which there is no figure."""

    @property
    def swing(self) -> float:
        """From the lowest to the highest figure."""
        return self.highest - self.lowest

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {**vars(self), "swing": self.swing}


def swings(runs: Sequence[VariedRun], name: str, metric: str, against: str) -> list[Swing]:
    """Of the assumptions of the runs `name` and `against` (empty: of `name` alone), the largest first."""
    figure = _figures_of(runs, name, metric, against)
    answer = figure("", None)
    if answer is None:
        return []
    found = []
    for assumption, (value, others) in _varied(runs, (name, against)).items():
        there = {other: figure(assumption, other) for other in others}
        known = [(at, value) for value, at in there.items() if at is not None]
        if known:
            low = min([(answer, value), *known], key=lambda each: each[0])
            high = max([(answer, value), *known], key=lambda each: each[0])
            failed = [other for other, at in there.items() if at is None]
            found.append(Swing(metric, against, assumption, value, answer, *low, *high, failed))
    return sorted(found, key=lambda each: (-each.swing, each.assumption))


def _figures_of(runs: Sequence[VariedRun], name: str, metric: str, against: str) -> Callable[[str, Any], float | None]:
    """The figure with an assumption (empty: none) at a value; None where a run failed or has none."""
    by_place = {(run.experiment, run.assumption, run.value): run for run in runs}

    def own(experiment: str, assumption: str, value: Any) -> float | None:
        """A run that does not make the assumption, or has that value in use, is as it is."""
        run = by_place.get((experiment, assumption, value), by_place[experiment, "", None])
        return run.figures.get(metric)

    def figure(assumption: str, value: Any) -> float | None:
        found = own(name, assumption, value)
        if not against or found is None:
            return found
        than = own(against, assumption, value)
        return None if than is None else METRICS[metric].times_better(found, than)

    return figure


def _varied(runs: Sequence[VariedRun], names: tuple[str, str]) -> Mapping[str, tuple[Any, list[Any]]]:
    """By assumption of these experiments: the value in use (of the first that makes it), and the others."""
    found: dict[str, tuple[Any, list[Any]]] = {}
    for run in (run for name in names for run in runs if run.experiment == name and run.assumption):
        _, others = found.setdefault(run.assumption, (run.default, []))
        if run.value not in others:
            others.append(run.value)
    return found
