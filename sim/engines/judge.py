"""What bounds every event, told from times alone: for an engine that reports nothing else.

Only where the times are made. There a kernel at its floor takes exactly its floor; times that were
scaled or rounded since do not tell any more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.signals import signal_latency_ps, signals_by_token
from moe_cosim.sim.engines.timeline import COMPUTE_BOUND, IDLE_BOUND, LATENCY_BOUND, TRAFFIC_BOUND, Timeline
from moe_cosim.workloads.programs.program import COPY, STREAM, WAIT, Program, dense_tokens


def judge(machine: Machine, program: Program, start_ps: NDArray[np.int64], end_ps: NDArray[np.int64]) -> Timeline:
    """The timeline of `program` with these times ([E] each, as the engine made them)."""
    events, took_ps = program.events, end_ps - start_ps
    floor_ps = (events["setup_ps"] + events["busy_ps"]).astype(np.int64)
    bound = np.full(len(events), COMPUTE_BOUND, dtype=np.uint8)
    bound[np.isin(events["kind"], (STREAM, COPY)) & (took_ps > floor_ps)] = TRAFFIC_BOUND
    waits = np.flatnonzero((events["kind"] == WAIT) & (took_ps > 0))
    last_signal = np.full(len(events), -1, dtype=np.int64)
    last_signal[waits] = _last_signals(machine, program, waits, end_ps)
    bound[waits] = np.where(last_signal[waits] >= 0, LATENCY_BOUND, IDLE_BOUND)
    return Timeline(start_ps, end_ps, bound, last_signal)


def _last_signals(
    machine: Machine, program: Program, waits: NDArray[np.int64], end_ps: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The event whose signal arrived last at each wait (of equals the first); -1 where none is sent."""
    found = np.full(len(waits), -1, dtype=np.int64)
    events, first_token, tokens = dense_tokens(program.events)
    token_start, token_signal = signals_by_token(events, first_token, tokens)
    token = events["token"][waits].astype(np.int64) - first_token
    count = token_start[token + 1] - token_start[token]
    some = np.flatnonzero(count)
    if not len(some):
        return found
    units = list(machine.units)
    unit = np.array([units.index(name) for name, _ in program.lanes])[events["lane"]]
    first = np.cumsum(count[some]) - count[some]
    owner = np.repeat(some, count[some])
    index = np.arange(len(owner)) + np.repeat(token_start[token[some]] - first, count[some])
    signal = token_signal[index]
    arrival = end_ps[signal] + signal_latency_ps(machine, events)[unit[signal], unit[waits[owner]]]
    is_last = np.flatnonzero(arrival == np.repeat(np.maximum.reduceat(arrival, first), count[some]))
    found[owner[is_last[::-1]]] = signal[is_last[::-1]]  # backwards: the first is written last
    return found
