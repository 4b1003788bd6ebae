"""A sweep's axes as parameters that an optimiser may choose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment
from moe_cosim.sim.sweep.plan.axes import Interval, axis_values
from moe_cosim.sim.sweep.plan.condition import Condition
from moe_cosim.sim.sweep.plan.space import zipped
from moe_cosim.sim.sweep.plan.sweep_file import bases, beside, find_sweep, read_sweep


class SearchSpace:
    """The space of a sweep file, and its points by parameter values.

    A range without step and count is searched between its steps; other axes and zip groups are searched
    by the index of their values, in order where they are numbers. Seeds are no parameter: a trial is
    its settings with every seed.
    """

    def __init__(self, source: str | Path, settings: Mapping[str, Any] | None = None) -> None:
        path = find_sweep(source)
        sweep = read_sweep(path)
        self.name = sweep.name
        self.bases: dict[str, Experiment] = bases(sweep, path, settings)
        self.axes = sweep.axes()
        self.conditions = [Condition(text, path) for text in sweep.conditions]
        self._folder = path.parent
        self._intervals: dict[str, Interval] = {}
        self._choices: dict[str, list[dict[str, Any]]] = {}
        self._seeds = list(range(sweep.seeds)) if sweep.seeds else []
        for field, group in (("grid", sweep.grid), ("latin.axes", sweep.latin.axes if sweep.latin else {})):
            for axis, written in group.items():
                self._add(axis, written, path, f"{field}.{axis}")
        for index, zip_group in enumerate(sweep.zip):
            self._choices[f"zip[{index}]"] = zipped(zip_group, path, f"zip[{index}]")
        if not self._intervals and not self._choices and len(self.bases) < 2:
            raise InputError(path, "grid", Plain("nothing to choose"), "axes other than seeds")

    def ask(self, trial: Any) -> tuple[str, list[dict[str, Any]]]:
        """The variant and the settings, one per seed, that an Optuna trial stands for."""
        chosen: dict[str, Any] = {}
        variants = list(self.bases)
        variant = variants[0] if len(variants) == 1 else str(trial.suggest_categorical("variant", variants))
        for axis, interval in self._intervals.items():
            chosen[axis] = interval.written(
                trial.suggest_int(axis, interval.low, interval.high, log=interval.log)
                if interval.integer
                else trial.suggest_float(axis, interval.low, interval.high, log=interval.log)
            )
        for axis, choices in self._choices.items():
            chosen.update(choices[self._index(trial, axis, choices)])
        settings = {axis: beside(axis, value, self._folder) for axis, value in chosen.items()}
        return variant, [{**settings, "seed": seed} for seed in self._seeds] or [settings]

    def _index(self, trial: Any, axis: str, choices: list[dict[str, Any]]) -> int:
        values = [next(iter(choice.values())) for choice in choices]
        ordered = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        if ordered and values == sorted(values):
            return int(trial.suggest_int(axis, 0, len(choices) - 1))
        return int(trial.suggest_categorical(axis, list(range(len(choices)))))

    def _add(self, axis: str, written: Any, where: object, field: str) -> None:
        if isinstance(written, Mapping) and "range" in written and "step" not in written and "count" not in written:
            self._intervals[axis] = Interval.read(written, where, field)
        elif axis == "seed":
            self._seeds = axis_values(written, where, field)
        else:
            self._choices[axis] = [{axis: value} for value in axis_values(written, where, field)]
