"""What the compiled passes read of a machine: its memories, and the routes and access patterns in use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.access_rate import PS_PER_S
from moe_cosim.hw_models.components import Memory
from moe_cosim.hw_models.cxl.credits import credit_limits, credits_used
from moe_cosim.hw_models.cxl.crossing import crossed
from moe_cosim.hw_models.dram.mix import READ_SHARES, SCATTERED_BYTES, STREAMS, mix_factors
from moe_cosim.hw_models.machine import Machine, Resource
from moe_cosim.sim.engines.embedded.dram.refresh_tables import refresh_tables
from moe_cosim.workloads.programs.program import READ, WRITE

LONGEST_PS: Final = 2**60
"""13 days: far from the end of int64, so that no sum in the kernel wraps round."""

COEFFICIENT_ONE: Final = 2.0**40
"""What a byte takes of a memory is counted in integers, in units of 2^-40 (1e-12 of the value): sums do
not depend on the order of the flows."""

NO_KEY: Final = -1
NO_MEMORY: Final = -1

LIMITS: Final = 1 - 1e-9
"""A window limits a flow that gets less of it than this share of what all else allows: not where both are the same."""

FIRST, SECOND, NEITHER = range(3)
"""Sides of a route: whose coefficient counts at a hop, that of the flow's first or second memory, or none."""

READS, WRITES, ONWARD, WITHIN = range(4)
"""What a flow does: it reads its memory, writes it, is copied from its first to its second, or within one."""

_Hop = tuple[int, int, int, float, float]
"""As in HOP."""

_ROOM: Final = 256
"""Slots of the hash tables to begin with."""

MEMORY_RANGE: Final = np.dtype([("base", np.uint64), ("end", np.uint64), ("index", np.int64)])

MEMORY_PART: Final = np.dtype(
    [
        ("base", np.int64),
        ("channels", np.int64),
        ("interleave_bytes", np.int64),
        ("port_bytes_per_s", np.float64),
        ("array_bytes_per_s", np.float64),
        ("scattered_below", np.int64),  # bytes: shorter blocks are scattered
        ("page_bytes", np.int64),  # of flash; 0 of any other
    ]
)

ROUTE: Final = np.dtype(
    [
        ("latency_ps", np.int64),
        ("ask_ps", np.int64),  # of that, until the first memory is asked
        ("first_hop", np.int64),
        ("hops", np.int64),
        ("first_rate", np.float64),  # bytes per ps of the narrowest hop on that side, infinite where there is none
        ("second_rate", np.float64),
        ("fabric_rate", np.float64),
        ("queues", np.int64),  # hops before which lines stand in order of arrival
    ]
)

HOP: Final = np.dtype(
    [
        ("resource", np.int64),
        ("side", np.int64),
        ("weight", np.int64),  # what one byte takes of a resource that belongs to no memory (COEFFICIENT_ONE)
        ("queue_bytes", np.float64),  # that may stand before it, served in order of arrival; 0: flows take turns
        ("loop_ps", np.float64),  # that those bytes are under way when none waits
    ]
)

CONFLICTS: Final = np.dtype([("bank_open_ps", np.float64), ("reopen_ps", np.float64), ("recovery_ps", np.float64)])
"""As in `conflict_wait_ps`; zeros where nothing is known."""

CREDIT_PS: Final = 2.0**20
"""Bytes that may be under way are resources too: a rate in so long a time. A flow takes of it as its bytes hold."""


class MachineTables(NamedTuple):
    """Read by `flows.py`, which notes in the two hash tables what a program uses. Q: slots of each."""

    lane_unit: NDArray[np.int64]  # [L]
    window_bytes: NDArray[np.float64]  # [U]
    command_bytes: NDArray[np.float64]  # [U] as in Unit
    inside: NDArray[np.int64]  # [U] the memory it sits inside, or NO_MEMORY
    memory: NDArray[np.void]  # [M] of MEMORY_RANGE, by address
    memory_part: NDArray[np.void]  # [M] of MEMORY_PART, in the machine's order
    route_keys: NDArray[np.int64]  # [Q] key or NO_KEY
    route_of: NDArray[np.int64]  # [Q] index into `route`, or -1 of one whose route is not worked out
    pattern_keys: NDArray[np.int64]  # [Q] key or NO_KEY
    share_of: NDArray[np.float64]  # [Q] of the memory's peak, that the pattern reaches
    route: NDArray[np.void]  # [routes] of ROUTE
    mix_streams: NDArray[np.float64]  # [M, 17, 5] and
    mix_scattered: NDArray[np.float64]  # [M, 5] and
    mix_together: NDArray[np.float64]  # [M, 5]: see `_mix_tables`
    refresh: NDArray[np.void]  # [M] of REFRESH
    refresh_turn: NDArray[np.int64]  # [M, T] see `refresh_tables`
    conflicts: NDArray[np.void]  # [M] of CONFLICTS
    hop: NDArray[np.void]  # [hops] of HOP: a route's are [first_hop, first_hop + hops), memories first


_LEFT: Final[dict[Machine, MachineTables]] = {}


def tables_of(machine: Machine) -> MachineTables:
    """Those that the last run left, if it was on this machine, or new ones: the caller's alone until it leaves them."""
    return _LEFT.pop(machine, None) or new_tables(machine)


def leave(machine: Machine, tables: MachineTables) -> None:
    """For the next run. What routes and patterns are like hangs on the machine alone."""
    _LEFT.clear()
    _LEFT[machine] = tables


def new_tables(machine: Machine) -> MachineTables:
    """Nothing is used yet."""
    units, memories = list(machine.units.values()), machine.memory_list
    names = [memory.name for memory in memories]
    ranges = [(m.base_address, m.base_address + m.capacity_bytes, index) for index, m in enumerate(memories)]
    parts = [
        (m.base_address, m.channels, m.interleave_bytes, m.peak_bytes_per_s, m.array_bytes_per_s, scattered, page)
        for m, scattered, page in zip(memories, _scattered_below(machine), _pages(machine), strict=True)
    ]
    mix_streams, mix_scattered, mix_together = _mix_tables(machine)
    refresh, refresh_turn = refresh_tables(memories)
    unit_index = {name: index for index, name in enumerate(machine.units)}
    empty = MachineTables(
        lane_unit=np.array([unit_index[unit] for unit, _ in machine.lanes], dtype=np.int64),
        window_bytes=np.array([unit.window_bytes for unit in units], dtype=np.float64),
        command_bytes=np.array([unit.command_bytes for unit in units], dtype=np.float64),
        inside=np.array([names.index(u.local_memory) if u.inside else NO_MEMORY for u in units], dtype=np.int64),
        memory=np.array(sorted(ranges, key=lambda entry: entry[0]), dtype=MEMORY_RANGE),
        memory_part=np.array(parts, dtype=MEMORY_PART),
        route_keys=np.zeros(0, dtype=np.int64),
        route_of=np.zeros(0, dtype=np.int64),
        pattern_keys=np.zeros(0, dtype=np.int64),
        share_of=np.zeros(0),
        route=np.zeros(0, dtype=ROUTE),
        hop=np.zeros(0, dtype=HOP),
        mix_streams=mix_streams,
        mix_scattered=mix_scattered,
        mix_together=mix_together,
        refresh=refresh,
        refresh_turn=refresh_turn,
        conflicts=np.array([_conflicts(memory) for memory in memories], dtype=CONFLICTS),
    )
    return with_room(empty, _ROOM)


def _mix_tables(machine: Machine) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """[M, 17, 5] factors by streams (row 0 as row 1) and read share, [M, 5] those of scattered blocks, and [M, 5] those
    of two streams in the same banks.

    NaN where nothing is known of the memory's DRAM.
    """
    streams = np.full((len(machine.memory_list), STREAMS[-1] + 1, len(READ_SHARES)), np.nan)
    scattered, together = np.full((2, len(machine.memory_list), len(READ_SHARES)), np.nan)
    for index, memory in enumerate(machine.memory_list):
        factors = mix_factors(memory)
        if factors is not None:
            streams[index] = factors.by_streams
            scattered[index] = factors.scattered
            together[index] = factors.together
    return streams, scattered, together


def _conflicts(memory: Memory) -> tuple[float, float, float]:
    found = memory.conflicts
    return (0.0, 0.0, 0.0) if found is None else (found.bank_open_ps, found.reopen_ps, found.write_recovery_ps)


def _scattered_below(machine: Machine) -> list[int]:
    """[M] bytes below which blocks are scattered."""
    return [m.channels * SCATTERED_BYTES if m.dram is not None else 0 for m in machine.memory_list]


def _pages(machine: Machine) -> list[int]:
    """[M] bytes of a page of flash; 0 of any other memory."""
    return [0 if m.flash is None else m.flash.page_bytes for m in machine.memory_list]


def with_room(tables: MachineTables, slots: int) -> MachineTables:
    """The tables with empty hash tables of so many slots, a power of two."""
    return tables._replace(
        route_keys=np.full(slots, NO_KEY, dtype=np.int64),
        route_of=np.full(slots, -1, dtype=np.int64),
        pattern_keys=np.full(slots, NO_KEY, dtype=np.int64),
        share_of=np.zeros(slots),
    )


def worked_out(tables: MachineTables, machine: Machine) -> MachineTables:
    """The tables with every route and share that was noted. `InputError` where a route carries nothing."""
    _fill_shares(tables, machine)
    new = np.flatnonzero((tables.route_keys != NO_KEY) & (tables.route_of < 0))
    if not len(new):
        return tables
    routes: list[tuple[int | float, ...]] = []
    hops: list[_Hop] = []
    rates = resource_rates(machine)
    for slot in new.tolist():
        tables.route_of[slot] = len(tables.route) + len(routes)
        latency_ps, ask_ps, passed = _route(machine, int(tables.route_keys[slot]))
        narrowest = [np.inf, np.inf, np.inf]
        for index, side, weight, *_ in passed:
            if not rates[index] > 0:
                allowed = "a rate above 0 for what is used"
                name = machine.resources[index].name
                raise InputError(f"machine {machine.name}", name, Plain("a rate of 0"), allowed)
            narrowest[side] = min(narrowest[side], rates[index] / (weight / COEFFICIENT_ONE))
        queues = sum(hop[3] > 0 for hop in passed)
        routes.append((latency_ps, ask_ps, len(tables.hop) + len(hops), len(passed), *narrowest, queues))
        hops += passed
    return tables._replace(
        route=np.concatenate([tables.route, np.array(routes, dtype=ROUTE)]),
        hop=np.concatenate([tables.hop, np.array(hops, dtype=HOP)]),
    )


def _fill_shares(tables: MachineTables, machine: Machine) -> None:
    new = np.flatnonzero((tables.pattern_keys != NO_KEY) & (tables.share_of == 0))
    key = tables.pattern_keys[new]
    memory, is_write, block_bytes = key >> 33, (key >> 32 & 1) == 1, key & 0xFFFFFFFF
    for index in np.unique(memory).tolist():
        here = memory == index
        efficiency = machine.memory_list[index].efficiency
        tables.share_of[new[here]] = efficiency.share(block_bytes[here], is_write[here])


def resource_rates(machine: Machine) -> NDArray[np.float64]:
    """[R] bytes per ps of the machine's resources and, behind them, what credits of its links allow."""
    rates = [resource.bytes_per_s / PS_PER_S for resource in machine.resources]
    return np.array([*rates, *(limit.bytes / CREDIT_PS for limit in credit_limits(machine))], dtype=np.float64)


def _route(machine: Machine, key: int) -> tuple[int, int, list[_Hop]]:
    """Latency, that of the way to the first memory, and the hops, memories first."""
    memories = len(machine.memory_list)
    key, target = divmod(key, memories + 1)
    key, source = divmod(key, memories)
    unit_index, op = divmod(key, 3)
    unit, memory = list(machine.units)[unit_index], machine.memory_list[source].name
    at = [source]
    if op in (READ, WRITE):
        data = machine.path(memory, unit) if op == READ else machine.path(unit, memory)
        latency_ps = machine.round_trip_ps(unit, memory, op == WRITE)
    else:
        other = machine.memory_list[target - 1].name
        data = machine.path(memory, other)
        latency_ps = machine.copy_latency_ps(unit, memory, other)
        at = [source] if target - 1 == source else [source, target - 1]
    names = [machine.memory_list[index].name for index in at]
    reads = machine.path(memory, unit).resources
    # A machine's first resources are its memories, in order.
    passed = [*((index, 1.0) for index in at), *crossed(machine, data.resources, reads)]
    credits = credits_used(machine, data.resources, reads, *_ends(op, unit, names))
    limits = credit_limits(machine)
    queues: dict[int, tuple[float, float]] = {}
    for use in credits:
        memory_at = source if limits[use.limit].of_reads else at[-1]
        queues |= dict.fromkeys((use.resource, memory_at), (float(limits[use.limit].bytes), float(use.loop_ps)))
    hops: list[_Hop] = []
    for index, weight in passed:
        side = _side(machine.resources[index], names)
        hops.append((index, side, round(weight * COEFFICIENT_ONE), *queues.pop(index, (0.0, 0.0))))
    for use in credits:
        held = round(use.loop_ps / CREDIT_PS * COEFFICIENT_ONE)
        hops.append((len(machine.resources) + use.limit, NEITHER, held, 0.0, 0.0))
    return latency_ps, machine.path(unit, memory).latency_ps, hops


def _ends(op: int, unit: str, names: Sequence[str]) -> tuple[str, str]:
    """Where the data come from and go to."""
    if op == READ:
        return names[0], unit
    return (unit if op == WRITE else names[0]), names[-1]


def _side(resource: Resource, memories: Sequence[str]) -> int:
    """Which of the route's memories the resource belongs to."""
    return memories.index(resource.component) if resource.kind in ("memory", "port") else NEITHER
