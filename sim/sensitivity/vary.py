"""Running an experiment, and those it is held against, with every assumption at the ends of its range."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from moe_cosim.errors import InputError, MoeCosimError, Plain
from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run
from moe_cosim.sim.run_many import Counted, results_of, run_many
from moe_cosim.sim.sensitivity.metrics import answers, check_known, check_there, figures
from moe_cosim.sim.sensitivity.plan import Ends, NotVaried, check_made, ends_of
from moe_cosim.sim.sensitivity.sensitivity import Sensitivity
from moe_cosim.sim.sensitivity.swings import VariedRun


def sensitivity(
    experiment: Experiment | str | Path,
    settings: Mapping[str, Any] | None = None,
    against: Sequence[Experiment | str | Path] = (),
    metrics: Sequence[str] = (),
    only: Sequence[str] = (),
    workers: int | None = None,
    progress: Counted | None = None,
) -> Sensitivity:
    """Run an experiment, then vary what it assumed: `vary` of the result.

    `settings` are those of the experiments in `against` too.
    """
    check_known(metrics)
    chosen = load_experiment(experiment, settings)
    others = baselines(chosen, against, settings)
    return vary(chosen, run(chosen, keep=()), others, metrics, only, workers, progress)


def baselines(
    experiment: Experiment, against: Sequence[Experiment | str | Path], settings: Mapping[str, Any] | None
) -> list[Experiment]:
    """Those to hold `experiment` against. Raises `InputError` for two of one name."""
    found = [load_experiment(each, settings) for each in against]
    names = [experiment.name, *(each.name for each in found)]
    for place, each in enumerate(found, 1):
        if each.name in names[:place]:
            raise InputError("--against", each.where, Plain(f"another {each.name}"), "experiments of different names")
    return found


def vary(
    experiment: Experiment,
    result: Result,
    others: Sequence[Experiment] = (),
    metrics: Sequence[str] = (),
    only: Sequence[str] = (),
    workers: int | None = None,
    progress: Counted | None = None,
    announce: Callable[[str], None] | None = None,
) -> Sensitivity:
    """What the answers of `experiment`, which gave `result`, hang on: it and `others` are run once for every end of
    the range of each assumption that they make, `workers` side by side (default: one per core).

    `metrics`: what was asked for (default: the answer, as `answers` says). `only`: the names of the assumptions to vary
    (default: all). `announce` is told in a line what that takes before it begins. A run that fails is in what is
    returned. Raises `InputError` for unknown metrics, those that a run does not have, names in `only` that no run
    assumes, and where there is nothing to vary; what a run of `others` raises as it is.
    """
    check_known(metrics)
    started = time.perf_counter()
    cores = workers or os.cpu_count() or 1
    experiments, results = [experiment, *others], [result, *results_of(others, cores, None)]
    names = [each.name for each in experiments]
    wanted = list(dict.fromkeys(metrics)) or list(answers(result))
    as_they_are = [figures(each) for each in results]
    check_there(wanted, as_they_are, names)
    check_made(only, (row for each in results for row in each.assumptions))
    ends, left_out = _ends(results, only)
    runs = [(index, each, value) for index, of_one in enumerate(ends) for each in of_one for value in each.values]
    if not runs:
        raise InputError(
            "--sensitivity", experiment.where, Plain("no assumption with a range"), "an experiment with one"
        )
    if announce is not None:
        announce(_cost(results, ends, len(runs), cores))
    varied = _varied(experiments, runs, cores, progress)
    first = [VariedRun(name, "", None, None, found) for name, found in zip(names, as_they_are, strict=True)]
    return Sensitivity(names, wanted, [*first, *varied], left_out, time.perf_counter() - started)


def _ends(results: Sequence[Result], only: Sequence[str]) -> tuple[list[list[Ends]], list[NotVaried]]:
    """Of each; what is left out once, however many leave it."""
    found = [ends_of(result.assumptions, only) for result in results]
    return [ends for ends, _ in found], list(dict.fromkeys(each for _, left_out in found for each in left_out))


def _cost(results: Sequence[Result], ends: Sequence[Sequence[Ends]], runs: int, workers: int) -> str:
    """In words, before it is spent."""
    side_by_side = min(workers, runs)
    number = len({each.assumption.name for of_one in ends for each in of_one})
    seconds = sum(result.wall_s * len(each.values) for result, of in zip(results, ends, strict=True) for each in of)
    return (
        f"{number} assumptions over their ranges: {runs} more runs, {side_by_side} at a time, about "
        f"{max(1, round(seconds / side_by_side))} s"
    )


def _varied(
    experiments: Sequence[Experiment],
    runs: Sequence[tuple[int, Ends, Any]],
    workers: int,
    progress: Counted | None,
) -> list[VariedRun]:
    """In the order of `runs`."""
    changed = [
        experiments[index].with_settings({f"assumptions.{ends.assumption.name}": value}) for index, ends, value in runs
    ]
    found: dict[int, VariedRun] = {}
    with closing(run_many(changed, workers, progress)) as answers_:
        for place, answer in answers_:
            index, ends, value = runs[place]
            is_result = isinstance(answer, Result)
            found[place] = VariedRun(
                experiments[index].name,
                ends.assumption.name,
                value,
                ends.assumption.value,
                figures(answer) if isinstance(answer, Result) else {},
                None if is_result else _line(answer),
            )
    return [found[place] for place in range(len(runs))]


def _line(error: object) -> str:
    """Of a run that failed; a defect of ours or of a plug-in by its kind."""
    said = " ".join(str(error).split())
    return said if isinstance(error, MoeCosimError) else f"{type(error).__name__}: {said}"
