"""The runs of a reproduction, several side by side."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from typing import Any

from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run_many import Counted, results_of, run_many

Settings = Mapping[str, Any]
RunKey = tuple[str, tuple[tuple[str, Any], ...]]
"""(shipped experiment, settings): what identifies a run."""
Lookup = Callable[[RunKey], Result]
"""The result of a run that was asked for."""


def key(experiment: str, settings: Settings) -> RunKey:
    """What tells runs apart, whatever order their settings were given in."""
    return experiment, tuple(sorted(settings.items()))


def added_up(wanted: RunKey, model: str) -> RunKey:
    """The same run by a published cost model instead of a simulation."""
    experiment, settings = wanted
    return key(experiment, {**dict(settings), "engine.name": "makespan", "engine.model": model})


def run_each(
    wanted: Sequence[RunKey], workers: int, progress: Counted | None
) -> Generator[tuple[RunKey, Result | Exception], None, None]:
    """What every run came to, or what it raised (`RunError` where workers died of it), as they end.

    Close it to leave early. Raises `InputError` for an experiment that cannot be read.
    """
    with closing(run_many(_experiments(wanted), workers, progress)) as answers:
        for index, found in answers:
            yield wanted[index], found


def run_all(wanted: Sequence[RunKey], workers: int, progress: Counted | None) -> dict[RunKey, Result]:
    """As `run_each`, all of them; raises what the first to fail raised."""
    return dict(zip(wanted, results_of(_experiments(wanted), workers, progress), strict=True))


def _experiments(wanted: Sequence[RunKey]) -> list[Experiment]:
    return [load_experiment(name, dict(chosen)) for name, chosen in wanted]
