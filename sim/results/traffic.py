"""Bytes through every memory and link, and what they were."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.results.rows import LinkRow, MemoryRow, TrafficRow
from moe_cosim.workloads.program import CONTENTS, COPY, READ, Program


def traffic_table(machine: Machine, program: Program, access_memory: NDArray[np.int64]) -> NDArray[np.int64]:
    """[resources, contents, 2]: bytes read and written in each memory, carried by each link direction.

    The last axis is (read, write) for memories; links, switches and ports count everything under 0.
    `access_memory` [accesses] indexes `machine.memory_list`.
    """
    accesses = program.accesses
    table = np.zeros((len(machine.resources), len(CONTENTS), 2), dtype=np.int64)
    size = accesses["bytes"].astype(np.int64)
    np.add.at(table, (access_memory, accesses["what"], accesses["op"]), size)
    for route, what, carried in _routes(machine, program, access_memory, size):
        for resource in machine.path(*route).resources:
            table[resource, what, 0] += carried
    return table


def _routes(
    machine: Machine, program: Program, memory: NDArray[np.int64], size: NDArray[np.int64]
) -> list[tuple[tuple[str, str], int, int]]:
    """((from, to), contents, bytes) of every kind of transfer in the program."""
    accesses, events = program.accesses, program.events
    owner = np.repeat(np.arange(len(events)), events["accesses"])
    index = _flat(events["first_access"].astype(np.int64), events["accesses"].astype(np.int64))
    copying = events["kind"][owner] == COPY
    names = [m.name for m in machine.memory_list]
    found = []
    units = list(machine.units)
    unit_of_lane = np.array([units.index(unit) for unit, _ in program.lanes])
    streams = index[~copying]
    unit = unit_of_lane[events["lane"][owner[~copying]]]
    for (u, m, op, what), carried in _sums(
        size[streams], unit, memory[streams], accesses["op"][streams], accesses["what"][streams]
    ):
        ends = (names[m], units[u]) if op == READ else (units[u], names[m])
        found.append((ends, what, carried))
    sources = index[copying][0::2]
    targets = index[copying][1::2]
    for (a, b, what), carried in _sums(size[sources], memory[sources], memory[targets], accesses["what"][sources]):
        # within one memory: out of its port and in again
        found += [((names[a], names[b]), what, carried)] * (1 if a != b else 2)
    return found


def _sums(size: NDArray[np.int64], *keys: NDArray[Any]) -> list[tuple[tuple[int, ...], int]]:
    """Total of `size` for every combination of `keys` that occurs."""
    if not len(size):
        return []
    columns = [key.astype(np.int64) for key in keys]
    shape = tuple(int(column.max()) + 1 for column in columns)
    flat = np.ravel_multi_index(columns, shape)
    totals = np.zeros(int(np.prod(shape)), dtype=np.int64)
    np.add.at(totals, flat, size)
    present = np.unique(flat)
    return [(tuple(int(i) for i in np.unravel_index(cell, shape)), int(totals[cell])) for cell in present]


def _flat(first: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every index in [first, first + count), row after row."""
    return np.repeat(first - np.cumsum(count) + count, count) + np.arange(int(count.sum()))


def memory_rows(machine: Machine, table: NDArray[np.int64], total_ps: int) -> list[MemoryRow]:
    rows = []
    for index, memory in enumerate(machine.memory_list):
        read, written = (int(table[index, :, op].sum()) for op in (0, 1))
        achieved = (read + written) / total_ps * 1e12 if total_ps else 0.0
        rows.append(
            MemoryRow(
                name=memory.name,
                read_bytes=read,
                written_bytes=written,
                achieved_bytes_per_s=achieved,
                peak_bytes_per_s=memory.array_bytes_per_s,
                utilization=achieved / memory.array_bytes_per_s,
                capacity_bytes=memory.capacity_bytes,
            )
        )
    return rows


def link_rows(machine: Machine, table: NDArray[np.int64], total_ps: int) -> list[LinkRow]:
    """One row per direction of every link with a finite rate, and per port of a memory with an internal peak."""
    rows = []
    for index, resource in enumerate(machine.resources):
        if resource.kind not in ("link", "port") or not np.isfinite(resource.bytes_per_s):
            continue
        link = machine.links.get(resource.component)
        carried = int(table[index].sum())
        achieved = carried / total_ps * 1e12 if total_ps else 0.0
        rows.append(
            LinkRow(
                name=resource.name,
                bytes=carried,
                achieved_bytes_per_s=achieved,
                payload_bytes_per_s=resource.bytes_per_s,
                peak_bytes_per_s=link.peak_bytes_per_s if link else resource.bytes_per_s,
                utilization=achieved / resource.bytes_per_s,
            )
        )
    return rows


def bytes_by_kind(machine: Machine, table: NDArray[np.int64]) -> dict[str, TrafficRow]:
    """Per content: bytes through memories, and through links (each link crossed counts once)."""
    memories = len(machine.memory_list)
    ports = np.array([resource.kind == "port" for resource in machine.resources])
    links = ~ports & (np.arange(len(machine.resources)) >= memories)
    return {
        name: TrafficRow(memory_bytes=int(table[:memories, what].sum()), link_bytes=int(table[links, what].sum()))
        for what, name in enumerate(CONTENTS)
    }
