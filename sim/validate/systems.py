"""Whole systems: what an experiment's run says beside the rate or time that somebody measured."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from moe_cosim.errors import InputError, MoeCosimError
from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim.reproduce.runs import RunKey, key
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.validate.compared import ComparedRow, Refused
from moe_cosim.sim.validate.csv_rows import CsvRow
from moe_cosim.sim.validate.kind import Choices, Comparison
from moe_cosim.sim.validate.metrics import METRICS, SHORT_NAMES
from moe_cosim.sim.validate.runs import run_some

REQUIRED: Final = ("experiment", "metric", "measured", "unit", "group")
OPTIONAL: Final = ("why_not", "system", "note")
"""`why_not`: the row is listed as refused, for this reason. The others are for readers."""


def compare(rows: Sequence[CsvRow], choices: Choices) -> Comparison:
    """Raises `InputError` for metrics, units and numbers that are none; an experiment that is none is refused."""
    refused: list[Refused] = []
    wanted: list[tuple[CsvRow, RunKey, Experiment]] = []
    for row in rows:
        _check(row)
        if why_not := row.text("why_not"):
            refused.append(Refused("systems", row, why_not))
            continue
        source = _source(row)
        try:
            wanted.append((row, key(source, {}), load_experiment(source)))
        except InputError as error:
            refused.append(Refused("systems", row, str(error)))
    found = run_some([run_key for _, run_key, _ in wanted], choices)
    compared = []
    for row, run_key, experiment in wanted:
        outcome = found[run_key]
        predicted = None if isinstance(outcome, MoeCosimError) else _figure(row, outcome, experiment)
        if predicted is None:
            why = str(outcome) if isinstance(outcome, MoeCosimError) else f"the run has no {_metric(row)}"
            refused.append(Refused("systems", row, why))
        else:
            compared.append(_compared(row, experiment, predicted))
    return compared, refused


def _check(row: CsvRow) -> None:
    row.positive("measured")
    metric, unit = _metric(row), row.text("unit")
    if metric not in METRICS:
        raise row.error("metric", METRICS)
    if unit not in METRICS[metric].units:
        raise row.error("unit", METRICS[metric].units)


def _metric(row: CsvRow) -> str:
    return SHORT_NAMES.get(row.text("metric").lower(), row.text("metric"))


def _source(row: CsvRow) -> str:
    """A path that starts at the CSV's folder, or the name of a shipped experiment."""
    beside = row.file.parent / os.path.expanduser(row.text("experiment"))
    return str(beside.absolute()) if os.path.isfile(beside) else row.text("experiment")


def _figure(row: CsvRow, result: Result, experiment: Experiment) -> float | None:
    """In the row's unit."""
    metric = METRICS[_metric(row)]
    value = metric.of(result, experiment.workload)
    return None if value is None else value / metric.units[row.text("unit")]


def _compared(row: CsvRow, experiment: Experiment, predicted: float) -> ComparedRow:
    groups = {
        "group": row.text("group"),
        "machine": experiment.machine.use,
        "model": experiment.model,
        "policy": str(experiment.policy["name"]),
        "stack": experiment.software,
    }
    metric, unit = _metric(row), row.text("unit")
    what = row.text("system") or experiment.name
    return ComparedRow("systems", row, what, metric, unit, predicted, row.positive("measured"), groups)
