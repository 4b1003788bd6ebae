"""Runs whose failure is a row's and not the command's."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from moe_cosim.errors import InputError, MoeCosimError
from moe_cosim.experiment import load_experiment
from moe_cosim.sim.reproduce.runs import RunKey, run_each
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.validate.kind import Choices


def run_some(wanted: Sequence[RunKey], choices: Choices) -> dict[RunKey, Result | MoeCosimError]:
    """What each run came to, or the error that says why it cannot be; every run once, however many rows want it.

    Raises anything else that a run raises.
    """
    found: dict[RunKey, Result | MoeCosimError] = {}
    for run_key in dict.fromkeys(wanted):
        try:
            load_experiment(run_key[0], dict(run_key[1]))
        except InputError as error:
            found[run_key] = error
    legible = [run_key for run_key in dict.fromkeys(wanted) if run_key not in found]
    with closing(run_each(legible, choices.workers, choices.progress)) as answers:
        for run_key, outcome in answers:
            if isinstance(outcome, Exception) and not isinstance(outcome, MoeCosimError):
                raise outcome
            found[run_key] = outcome
    return found
