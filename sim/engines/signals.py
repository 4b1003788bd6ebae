"""Which events signal a token, and how long a signal is on its way: for engines and reports."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.program import SIGNAL, WAIT, Program


def signals_by_token(program: Program) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[T + 1] offsets into the events that signal, and those events grouped by token."""
    signals = np.flatnonzero(program.events["kind"] == SIGNAL)
    tokens = program.events["token"][signals].astype(np.int64)
    start = np.concatenate([[0], np.cumsum(np.bincount(tokens, minlength=program.tokens))])
    return start.astype(np.int64), signals[np.argsort(tokens, kind="stable")]


def signal_latency_ps(machine: Machine, program: Program) -> NDArray[np.int64]:
    """[units, units] from a unit that signals to one that waits (0 elsewhere), in machine order."""
    units = list(machine.units)
    index = np.array([units.index(unit) for unit, _ in machine.lanes], dtype=np.int64)
    kind, unit = program.events["kind"], index[program.events["lane"]]
    latency_ps = np.zeros((len(units), len(units)), dtype=np.int64)
    for a in np.unique(unit[kind == SIGNAL]).tolist():
        for b in np.unique(unit[kind == WAIT]).tolist():
            latency_ps[a, b] = machine.path(units[a], units[b]).latency_ps if a != b else 0
    return latency_ps
