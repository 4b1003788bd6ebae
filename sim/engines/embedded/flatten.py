"""A machine and a program as the flat arrays the kernel reads. Everything per event is vectorised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.access_rate import PS_PER_S, MemorySide, memory_side, window_cap
from moe_cosim.hw_models.components import LINE_BYTES
from moe_cosim.hw_models.machine import Machine, Resource
from moe_cosim.sim.engines.embedded.addresses import memory_of
from moe_cosim.sim.engines.signals import signal_latency_ps, signals_by_token
from moe_cosim.workloads.program import COPY, READ, STREAM, WRITE, Program

LONGEST_PS: Final = 2**60
"""13 days: far from the end of int64, so that no sum in the kernel wraps round."""

FIRST, SECOND, NEITHER = range(3)
"""Sides of a route."""

_COEFFICIENT_GRID: Final = 2.0**40
"""Coefficients are multiples of 2^-40 (1e-12 of their value), so that sums of up to 8191 are exact
in float64 and do not depend on the order of the flows."""


class FlatProgram(NamedTuple):
    """Read-only input of the kernel. E events, L lanes, U units, F flows, R resources, T tokens."""

    kind: NDArray[np.uint8]  # [E]
    setup_ps: NDArray[np.int64]  # [E]
    floor_ps: NDArray[np.int64]  # [E] setup + busy
    token: NDArray[np.int64]  # [E]
    first_flow: NDArray[np.int64]  # [E + 1] the flows of event e are [first_flow[e], first_flow[e + 1])
    lane_start: NDArray[np.int64]  # [L + 1]
    lane_unit: NDArray[np.int64]  # [L]
    unit_latency_ps: NDArray[np.int64]  # [U, U] from the signalling unit to the waiting one
    token_start: NDArray[np.int64]  # [T + 1] offsets into token_signal
    token_signal: NDArray[np.int64]  # events that signal, grouped by token
    signal_unit: NDArray[np.int64]  # the unit of each
    flow_lane: NDArray[np.int64]  # [F]
    flow_route: NDArray[np.int64]  # [F]
    flow_bytes: NDArray[np.float64]  # [F]
    flow_latency_ps: NDArray[np.int64]  # [F]
    flow_alone: NDArray[np.float64]  # [F] bytes per ps it reaches alone: window, channels, route
    flow_coefficient: NDArray[np.float64]  # [F, 2] of the route's first and second memory, and of their ports
    route_start: NDArray[np.int64]  # [routes + 1] offsets into route_resource
    route_resource: NDArray[np.int64]
    route_side: NDArray[np.int64]  # of each: FIRST or SECOND memory or its port, else NEITHER: whose coefficient counts
    resource_rate: NDArray[np.float64]  # [R] bytes per ps


class _Flows(NamedTuple):
    """One row per flow, in the order of events; `target` is -1 except for a copy."""

    event: NDArray[np.int64]
    source: NDArray[np.int64]  # access rows
    target: NDArray[np.int64]


def flatten(machine: Machine, program: Program, line_bytes: int = LINE_BYTES) -> FlatProgram:
    """Raises `InputError` where the program does not fit the machine.

    `line_bytes` is what units ask for at a time: a window turns over once per round trip and the
    time of a line on its channels.
    """
    where = f"program {program.machine}".strip()
    program.validate(where)
    if tuple(program.lanes) != machine.lanes:
        raise InputError(where, "lanes", Plain(f"{len(program.lanes)} other lanes"), f"the lanes of {machine.name}")
    events = program.events
    setup_ps, busy_ps = events["setup_ps"], events["busy_ps"]
    if max(setup_ps.max(initial=0), busy_ps.max(initial=0)) >= LONGEST_PS // 4:
        raise InputError(where, "events.setup_ps, busy_ps", Plain("days"), f"less than {LONGEST_PS // 4} ps")
    unit_names = list(machine.units)
    lane_unit = np.array([unit_names.index(unit) for unit, _ in machine.lanes], dtype=np.int64)

    flows, first_flow = _flows(program)
    lane = events["lane"][flows.event].astype(np.int64)
    access = program.accesses[flows.source]
    is_copy = flows.target >= 0
    second = np.where(is_copy, flows.target, flows.source)
    source_memory = memory_of(machine, program, flows.source, where)
    target_memory = np.where(is_copy, memory_of(machine, program, second, where), -1)
    # A route: the unit, what it does (READ, WRITE, or 2 for a copy) and the memory or memories.
    keys = np.stack([lane_unit[lane], np.where(is_copy, 2, access["op"]), source_memory, target_memory], axis=1)
    routes, flow_route = _unique_rows(keys)
    latency_ps, route_start, route_resource, route_side = _routes(machine, routes)
    flow_latency_ps = latency_ps[flow_route]

    inside_of = np.array([_memory_inside(machine, name) for name in unit_names], dtype=np.int64)[lane_unit[lane]]
    inside = ~is_copy & (inside_of == source_memory)
    first = _memory_side(machine, program, flows.source, source_memory, line_bytes, inside)
    second_memory = np.where(is_copy, target_memory, source_memory)
    other = _memory_side(machine, program, second, second_memory, line_bytes, inside)
    coefficient = np.stack([1.0 / first.share, 1.0 / other.share], axis=1)
    within_one = is_copy & (source_memory == target_memory)  # crosses its only memory twice
    coefficient[within_one, 0] += coefficient[within_one, 1]
    coefficient = np.rint(coefficient * _COEFFICIENT_GRID) / _COEFFICIENT_GRID

    window = np.array([unit.window_bytes for unit in machine.units.values()], dtype=np.float64)
    size = access["bytes"].astype(np.float64)
    of_event = np.bincount(flows.event, weights=size, minlength=len(events))[flows.event]
    turn_ps = flow_latency_ps + first.line_ps + np.where(is_copy, other.line_ps, 0.0)
    from_window = window_cap(window[lane_unit[lane]], size, of_event, line_bytes, turn_ps)
    cap = np.minimum(from_window, np.minimum(first.cap, other.cap))
    resource_rate = np.array([r.bytes_per_s for r in machine.resources], dtype=np.float64) / PS_PER_S
    hop_rate = resource_rate[route_resource]
    _check_all_move(machine, where, cap, hop_rate, route_resource)

    token_start, token_signal = signals_by_token(program)
    return FlatProgram(
        kind=np.ascontiguousarray(events["kind"]),
        setup_ps=setup_ps.astype(np.int64),
        floor_ps=(setup_ps + busy_ps).astype(np.int64),
        token=events["token"].astype(np.int64),
        first_flow=first_flow,
        lane_start=program.lane_starts.astype(np.int64),
        lane_unit=lane_unit,
        unit_latency_ps=signal_latency_ps(machine, program),
        token_start=token_start,
        token_signal=token_signal,
        signal_unit=lane_unit[events["lane"][token_signal]],
        flow_lane=lane,
        flow_route=flow_route,
        flow_bytes=size,
        flow_latency_ps=flow_latency_ps,
        flow_alone=np.minimum(cap, _route_rate(coefficient, flow_route, route_start, route_side, hop_rate)),
        flow_coefficient=coefficient,
        route_start=route_start,
        route_resource=route_resource,
        route_side=route_side,
        resource_rate=resource_rate,
    )


def _flows(program: Program) -> tuple[_Flows, NDArray[np.int64]]:
    """Each access of a stream and each pair of a copy that moves anything, and where each event's flows start."""
    kind = program.events["kind"]
    accesses = program.events["accesses"].astype(np.int64)
    count = np.where(kind == STREAM, accesses, np.where(kind == COPY, accesses // 2, 0))
    first_flow = np.concatenate([[0], np.cumsum(count)])
    event = np.repeat(np.arange(len(kind)), count)
    step = np.where(kind == COPY, 2, 1)[event]
    source = program.events["first_access"].astype(np.int64)[event]
    source += (np.arange(len(event)) - first_flow[event]) * step
    moves = program.accesses["bytes"][source] > 0
    event, source, step = event[moves], source[moves], step[moves]
    first_flow = np.concatenate([[0], np.cumsum(np.bincount(event, minlength=len(kind)))]).astype(np.int64)
    return _Flows(event, source, np.where(step == 2, source + 1, -1)), first_flow


def _unique_rows(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Unique rows and each row's index among them, by way of one integer per row."""
    span = keys.max(axis=0, initial=0) + 2
    code = np.zeros(len(keys), dtype=np.int64)
    for column in range(keys.shape[1]):
        code = code * span[column] + keys[:, column] + 1
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    return keys[first], inverse.astype(np.int64)


def _routes(
    machine: Machine, routes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Latency, resource offsets, resources (memories first) and the side of each, of each route."""
    units = list(machine.units)
    latency_ps: list[int] = []
    lengths: list[int] = []
    resources: list[int] = []
    sides: list[int] = []
    for unit_index, op, source, target in routes.tolist():
        unit, memory = units[unit_index], machine.memory_list[source]
        if op in (READ, WRITE):
            ends = (memory.name, unit) if op == READ else (unit, memory.name)
            data, at = machine.path(*ends), [source]
            latency = machine.round_trip_ps(unit, memory.name)
        else:
            other = machine.memory_list[target]
            data, at = machine.path(memory.name, other.name), [source, target] if source != target else [source]
            latency = machine.copy_latency_ps(unit, memory.name, other.name)
        latency_ps.append(latency)
        crossed = [*at, *data.resources]  # a machine's first resources are its memories, in order
        names = [machine.memory_list[index].name for index in at]
        lengths.append(len(crossed))
        resources += crossed
        sides += [_side(machine.resources[index], names) for index in crossed]
    start = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    return (
        np.array(latency_ps, dtype=np.int64),
        start,
        np.array(resources, dtype=np.int64),
        np.array(sides, dtype=np.int64),
    )


def _side(resource: Resource, memories: Sequence[str]) -> int:
    """Which of the route's memories the resource belongs to."""
    return memories.index(resource.component) if resource.kind in ("memory", "port") else NEITHER


def _memory_inside(machine: Machine, unit: str) -> int:
    """Index of the memory the unit sits inside; -1 where it sits in none."""
    part = machine.units[unit]
    return list(machine.memories).index(part.local_memory) if part.inside else -1


def _memory_side(
    machine: Machine,
    program: Program,
    rows: NDArray[np.int64],
    memory: NDArray[np.int64],
    line_bytes: int,
    inside: NDArray[np.bool_],
) -> MemorySide:
    """Of each row's access to its memory, where `inside` by a unit that sits in it."""
    parts = machine.memory_list
    access = program.accesses[rows]
    base = np.array([part.base_address for part in parts], dtype=np.int64)[memory]
    offset = access["address"].astype(np.int64) - base
    size = access["bytes"].astype(np.int64)
    return memory_side(parts, memory, _shares(machine, access, memory), offset, size, line_bytes, inside)


def _shares(machine: Machine, access: NDArray[np.void], memory: NDArray[np.int64]) -> NDArray[np.float64]:
    """Achievable share of each access; memories of one kind are looked up together."""
    kinds = list(dict.fromkeys(part.efficiency for part in machine.memory_list))
    kind = np.array([kinds.index(part.efficiency) for part in machine.memory_list])[memory]
    share = np.ones(len(access))
    for index, efficiency in enumerate(kinds):
        here = kind == index
        share[here] = efficiency.share(access["block_bytes"][here], access["op"][here] == WRITE)
    return share


def _route_rate(
    coefficient: NDArray[np.float64],
    flow_route: NDArray[np.int64],
    route_start: NDArray[np.int64],
    route_side: NDArray[np.int64],
    hop_rate: NDArray[np.float64],
) -> NDArray[np.float64]:
    """[F] bytes per ps that the narrowest resource of the route carries of this flow alone."""
    if not len(flow_route):
        return np.zeros(0)
    first, second, fabric = (
        np.minimum.reduceat(np.where(route_side == side, hop_rate, np.inf), route_start[:-1])[flow_route]
        for side in (FIRST, SECOND, NEITHER)
    )
    return np.minimum(fabric, np.minimum(first / coefficient[:, 0], second / coefficient[:, 1]))


def _check_all_move(
    machine: Machine, where: str, cap: NDArray[np.float64], rates: NDArray[np.float64], used: NDArray[np.int64]
) -> None:
    if not (rates > 0).all():
        name = machine.resources[int(used[np.argmax(~(rates > 0))])].name
        raise InputError(f"machine {machine.name}", name, Plain("a rate of 0"), "a rate above 0 for what is used")
    if not (cap > 0).all():
        raise InputError(where, "stream, copy", Plain("a unit whose window is 0 bytes"), "a unit that may fetch")
