"""Which device moves which bytes of a program: what the graph needs to know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded.addresses import memory_of
from moe_cosim.sim.engines.sst.graph.devices import Layout
from moe_cosim.workloads.programs.program import COPY, Program


@dataclass(frozen=True)
class _Moves:
    """Every access of every event, in the order of the events. All arrays: [accesses]."""

    event: NDArray[np.int64]
    memory: NDArray[np.int64]
    """Index into `Machine.memory_list`."""
    bytes: NDArray[np.uint64]
    own: NDArray[np.bool_]
    """Whether the memory is in the device of the unit that asks."""
    fabric: NDArray[np.int64]
    """Index into `Machine.peers` where it is an end of a copy from one member to another; else -1."""

    @property
    def between_peers(self) -> NDArray[np.bool_]:
        return self.fabric >= 0


def reached_memories(machine: Machine, program: Program, layout: Layout) -> frozenset[str]:
    """Memories that units of other devices read or write in this program."""
    moves = _moves(machine, program, layout)
    return _names(machine, moves.memory[~moves.own & ~moves.between_peers & (moves.bytes > 0)])


def peer_memories(machine: Machine, program: Program, layout: Layout) -> frozenset[tuple[str, str]]:
    """(peer fabric, memory) of the ends of the program's copies over peer fabrics."""
    moves = _moves(machine, program, layout)
    names = list(machine.peers)
    used = moves.between_peers & (moves.bytes > 0)
    pairs = np.unique(np.stack([moves.fabric[used], moves.memory[used]], axis=1), axis=0)
    return frozenset((names[fabric], machine.memory_list[memory].name) for fabric, memory in pairs.tolist())


def copies_between_others(machine: Machine, program: Program, layout: Layout) -> dict[int, dict[int, tuple[str, str]]]:
    """Rows of copies of which some pairs have no end in the device of the copying unit: for each such pair of the row,
    the names of source and target."""
    moves = _moves(machine, program, layout)
    copies = program.events["kind"][moves.event] == COPY
    event, memory, own = (table[copies].reshape(-1, 2) for table in (moves.event, moves.memory, moves.own))
    size = moves.bytes[copies].reshape(-1, 2)[:, 0]
    number = np.arange(len(event)) - np.searchsorted(event[:, 0], event[:, 0])
    found: dict[int, dict[int, tuple[str, str]]] = {}
    for pair in np.flatnonzero(~own.any(axis=1) & (size > 0)).tolist():
        source, target = (machine.memory_list[int(index)].name for index in memory[pair])
        found.setdefault(int(event[pair, 0]), {})[int(number[pair])] = (source, target)
    return found


def _names(machine: Machine, memories: NDArray[np.int64]) -> frozenset[str]:
    return frozenset(machine.memory_list[int(index)].name for index in np.unique(memories))


def _moves(machine: Machine, program: Program, layout: Layout) -> _Moves:
    events = program.events
    counts = events["accesses"].astype(np.int64)
    offsets = np.cumsum(counts) - counts
    rows = np.repeat(events["first_access"].astype(np.int64) - offsets, counts) + np.arange(counts.sum())
    memory = memory_of(machine, program, rows, f"program on {machine.name}")
    device_of_lane = np.array([layout.device_of_unit(unit) for unit, _ in program.lanes])
    device_of_memory = np.array([layout.device_of_memory(m.name) for m in machine.memory_list])
    event = np.repeat(np.arange(len(events)), counts)
    own = device_of_memory[memory] == device_of_lane[events["lane"][event]]
    is_copy = events["kind"][event] == COPY
    source, target = memory[is_copy].reshape(-1, 2).T
    between = np.full(len(source), -1)
    for number, fabric in enumerate(machine.peers.values()):
        is_member = np.array([m.name in fabric.members for m in machine.memory_list])
        between[(source != target) & is_member[source] & is_member[target]] = number
    fabrics = np.full(len(event), -1)
    fabrics[is_copy] = np.repeat(between, 2)
    return _Moves(event, memory, program.accesses["bytes"][rows], own, fabrics)
