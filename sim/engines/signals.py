"""Which events signal a token, and how long a signal is on its way: for engines and reports."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.programs.program import SIGNAL, WAIT


def signals_by_token(
    events: NDArray[np.void], first_token: int, tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[tokens + 1] offsets into the events that signal, and those events grouped by token.

    Tokens are [first_token, first_token + tokens), as `workloads.programs.program.dense_tokens` has them.
    """
    signals = np.flatnonzero(events["kind"] == SIGNAL)
    token = events["token"][signals].astype(np.int64) - first_token
    start = np.concatenate([[0], np.cumsum(np.bincount(token, minlength=tokens))])
    return start.astype(np.int64), signals[np.argsort(token, kind="stable")]


def signal_latency_ps(machine: Machine, events: NDArray[np.void]) -> NDArray[np.int64]:
    """[units, units] from a unit that signals to one that waits (0 elsewhere), in machine order."""
    units = list(machine.units)
    latency_ps = np.zeros((len(units), len(units)), dtype=np.int64)
    signalling, waiting = (_units_with(machine, events, kind) for kind in (SIGNAL, WAIT))
    for a in signalling:
        for b in waiting:
            latency_ps[units.index(a), units.index(b)] = machine.path(a, b).latency_ps if a != b else 0
    return latency_ps


def _units_with(machine: Machine, events: NDArray[np.void], kind: int) -> list[str]:
    """Units with such an event on a lane."""
    lanes = np.flatnonzero(np.bincount(events["lane"][events["kind"] == kind]))
    return list(dict.fromkeys(machine.lanes[lane][0] for lane in lanes.tolist()))
