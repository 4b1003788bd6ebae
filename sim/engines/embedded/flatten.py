"""A machine and a program as the tables the kernel reads."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.components import LINE_BYTES
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded.addresses import outside_every_memory
from moe_cosim.sim.engines.embedded.tables import (
    LONGEST_PS,
    NO_KEY,
    MachineTables,
    resource_rates,
    with_room,
    worked_out,
)
from moe_cosim.sim.engines.signals import signal_latency_ps, signals_by_token
from moe_cosim.workloads.programs.program import Program, dense_tokens

FLOW: Final = np.dtype(
    [
        ("route", np.int64),
        ("latency_ps", np.int64),  # until its first byte is there
        ("bytes", np.float64),
        ("alone", np.float64),  # bytes per ps it reaches alone: window, channels, route
        ("first_weight", np.int64),  # what one byte takes of the route's first memory and its port (COEFFICIENT_ONE)
        ("second_weight", np.int64),
        ("writes", np.int64),  # READS, WRITES, ONWARD from its first memory to its second, or WITHIN one memory
        ("first_scattered", np.int64),  # 1: in scattered blocks
        ("second_scattered", np.int64),
        ("meeting", np.float64),  # of its time in its first memory, in the banks of another access of its event
        ("first_streams", np.int64),  # what it counts for in its first memory, and in its second (ONE_STREAM)
        ("second_streams", np.int64),
        ("window", np.float64),  # bytes it may have under way, where its lines' waits may slow it down; else 0
        ("turn_ps", np.float64),  # for which they then are, unloaded
        ("fixed", np.float64),  # bytes per ps that everything but the window allows
        ("first_line_ps", np.float64),  # time of a line on its channel, of the first and of the second memory
        ("second_line_ps", np.float64),
        ("closes", np.int64),  # memory whose refreshes its end may wait for, or -1, and there:
        ("offset", np.int64),  # where it begins to read
        ("back_ps", np.float64),  # from the read of a byte to its end
        ("warps", np.int64),  # 1: the memory limits it
        ("backlog", np.int64),  # bytes that then stand before the memory
        ("queueable", np.float64),  # of its time, what bytes save whose writes only enter the memory's queues
        ("room", np.float64),  # bytes of them that find room there
        ("ahead", np.float64),  # bytes that a copy within one memory reads before its first write
    ]
)
"""Something that moves: an access of a stream, or a pair of a copy."""


class FlatProgram(NamedTuple):
    """Read-only input of the kernel. E events, L lanes, U units, F flows, R resources, T tokens."""

    events: NDArray[np.void]  # [E] of EVENT
    first_token: int
    """Tokens are counted from here."""
    first_flow: NDArray[np.int64]  # [E + 1] the flows of event e are [first_flow[e], first_flow[e + 1])
    flow: NDArray[np.void]  # [F] of FLOW
    lane_start: NDArray[np.int64]  # [L + 1]
    lane_flows: NDArray[np.int64]  # [L] the most that one of its events has
    lane_unit: NDArray[np.int64]  # [L]
    unit_latency_ps: NDArray[np.int64]  # [U, U] from the signalling unit to the waiting one
    token_start: NDArray[np.int64]  # [T + 1] offsets into token_signal
    token_signal: NDArray[np.int64]  # [signals] the events that signal, grouped by token
    route: NDArray[np.void]  # [routes] of ROUTE
    hop: NDArray[np.void]  # [hops] of HOP
    resource_rate: NDArray[np.float64]  # [R] bytes per ps
    mix_streams: NDArray[np.float64]  # [M, 17, 5] factor of a memory's rate by streams and read share; NaN: none
    mix_scattered: NDArray[np.float64]  # [M, 5] the same of scattered blocks
    mix_together: NDArray[np.float64]  # [M, 5] of two streams in the same banks
    refresh: NDArray[np.void]  # [M] of REFRESH
    refresh_turn: NDArray[np.int64]  # [M, T] sets hit by refreshes of single banks
    conflicts: NDArray[np.void]  # [M] of CONFLICTS
    line_bytes: int


def flatten(
    machine: Machine, program: Program, tables: MachineTables, line_bytes: int = LINE_BYTES
) -> tuple[FlatProgram, MachineTables]:
    """The program for the kernel, and the tables with what it uses. `InputError` where it does not fit the machine.

    `line_bytes` is what units ask for at a time: a window turns over once per round trip and the
    time of a line on its channels.
    """
    from moe_cosim.sim.engines.embedded import flows  # compiled: Numba is slow to import
    from moe_cosim.sim.engines.embedded.parts import SCRATCH_ROWS

    where = name_of(program)
    events, accesses = (np.require(table, None, ["C", "W"]) for table in (program.events, program.accesses))
    first_flow = np.empty(len(events) + 1, dtype=np.int64)
    memory = np.empty(len(accesses), dtype=np.int32)
    while True:
        of_lanes = np.zeros((2, len(machine.lanes)), dtype=np.int64)
        used = int((tables.route_keys != NO_KEY).sum() + (tables.pattern_keys != NO_KEY).sum())
        found = flows.survey(tables, events, accesses, first_flow, memory, of_lanes[0], of_lanes[1], used)
        if found != flows.FULL:
            break
        tables = with_room(tables, 2 * len(tables.route_keys))
    if found == flows.DAYS:
        raise InputError(where, "events.setup_ps, busy_ps", Plain("days"), f"less than {LONGEST_PS // 4} ps")
    if found != flows.FITS:
        raise outside_every_memory(machine, program, found, where)
    tables = worked_out(tables, machine)
    flow = np.empty(first_flow[-1], dtype=FLOW)
    meeting = np.zeros(len(machine.memory_list), dtype=np.int64)
    channel_bytes = np.zeros((len(meeting), max(m.channels for m in machine.memory_list)))
    together = np.zeros((SCRATCH_ROWS, len(meeting)))
    scratch = meeting, channel_bytes, together
    if not flows.fill(tables, events, accesses, first_flow, memory, flow, line_bytes, *scratch):
        raise InputError(where, "stream, copy", Plain("a unit whose window is 0 bytes"), "a unit that may fetch")

    events, first_token, tokens = dense_tokens(events)
    token_start, token_signal = signals_by_token(events, first_token, tokens)
    flat = FlatProgram(
        events=events,
        first_token=first_token,
        first_flow=first_flow,
        flow=flow,
        lane_start=np.concatenate([[0], np.cumsum(of_lanes[0])]).astype(np.int64),
        lane_flows=of_lanes[1],
        lane_unit=tables.lane_unit,
        unit_latency_ps=signal_latency_ps(machine, events),
        token_start=token_start,
        token_signal=token_signal,
        route=tables.route,
        hop=tables.hop,
        resource_rate=resource_rates(machine),
        line_bytes=line_bytes,
        mix_streams=tables.mix_streams,
        mix_scattered=tables.mix_scattered,
        mix_together=tables.mix_together,
        refresh=tables.refresh,
        refresh_turn=tables.refresh_turn,
        conflicts=tables.conflicts,
    )
    return flat, tables


def name_of(program: Program) -> str:
    """In messages."""
    return f"program {program.machine}".strip()
