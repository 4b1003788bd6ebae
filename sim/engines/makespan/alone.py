"""What every event of a program takes with the machine to itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import RunError
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded.flatten import flatten
from moe_cosim.sim.engines.embedded.state import new_state
from moe_cosim.sim.engines.embedded.tables import new_tables
from moe_cosim.workloads.programs.program import SIGNAL, WAIT, Program

_ALL: int = 2**62


def times_alone_ps(machine: Machine, program: Program) -> NDArray[np.int64]:
    """[E]; 0 of signals and waits. The embedded engine's rules, one event after the other.

    Single refreshes are left out, so that no time hangs on when an event runs: memories' rates hold them in the mean.
    Raises `InputError` where program and machine do not fit, `RunError` for events that take 13 days together.
    """
    from moe_cosim.sim.engines.embedded.kernel import OVER, advance  # Numba takes a while to import

    took_ps = np.zeros(len(program.events), np.int64)
    apart, working, rows = _one_by_one(program)
    if not len(working):
        return took_ps
    tables = new_tables(machine)
    flat, _ = flatten(machine, apart, tables._replace(refresh=np.zeros_like(tables.refresh)))
    state = new_state(flat)
    if advance(flat, state, _ALL) != OVER or (state.lane["next"] < state.lane["end"]).any():
        raise RunError("events take more than 13 days together: some rate, size or duration must be wrong")
    took_ps[working] = state.end_ps[rows] - state.start_ps[rows]
    return took_ps


def _one_by_one(program: Program) -> tuple[Program, NDArray[np.int64], NDArray[np.int64]]:
    """The events that work, each lane's after the lane before; which they were [W], and are [W]."""
    working = np.flatnonzero(program.events["kind"] < SIGNAL)
    starts = np.searchsorted(program.events["lane"][working], np.arange(len(program.lanes) + 1))
    used = np.flatnonzero(np.diff(starts))
    turn = np.repeat(np.arange(len(used)), np.diff(starts)[used])
    rows = np.arange(len(working)) + 2 * turn
    events = np.zeros(len(working) + 2 * max(len(used) - 1, 0), program.events.dtype)
    events[rows] = program.events[working]
    token = np.arange(len(used) - 1)
    signal = starts[used[1:]] + 2 * token
    for at, kind, lane in ((signal, SIGNAL, used[:-1]), (signal + 1, WAIT, used[1:])):
        events["kind"][at], events["lane"][at], events["token"][at], events["count"][at] = (
            kind,
            lane,
            token,
            kind == WAIT,
        )
    return replace(program, events=events), working, rows
