"""Runs whose failure is a row's and not the command's."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from moe_cosim.errors import MoeCosimError
from moe_cosim.sim.reproduce.runs import RunKey, run_each
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.validate.kind import Choices


def run_some(wanted: Sequence[RunKey], choices: Choices) -> dict[RunKey, Result | MoeCosimError]:
    """What each run came to, or the error that says why it cannot be; every run once, however many rows want it.

    The experiments can be read. Raises anything else that a run raises.
    """
    found: dict[RunKey, Result | MoeCosimError] = {}
    with closing(run_each(list(dict.fromkeys(wanted)), choices.workers, choices.progress)) as answers:
        for run_key, outcome in answers:
            if isinstance(outcome, Exception) and not isinstance(outcome, MoeCosimError):
                raise outcome
            found[run_key] = outcome
    return found
