"""Parts of a machine that take energy, and joules of each per count."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.components import Link, Memory, PeerFabric, Switch, Unit
from moe_cosim.hw_models.energy import MemoryEnergy, TransferEnergy
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.units.kinds import Role
from moe_cosim.sim.results.energy.tally import UNKNOWN_TYPE, EnergyTally
from moe_cosim.workloads.programs.program import READ, WRITE

_NUMBER: Final = re.compile(r"\d+(?=\.|$)")
_ROWS_COUNTED: Final = 1e-3


@dataclass
class Taking:
    """One cause in one component: joules = counts x `per_count` + watts x time."""

    component: str
    kind: str
    cause: str
    watts: float = 0.0
    per_count: dict[int, float] = field(default_factory=dict)
    """Joules of a count, by its column."""


def takings(machine: Machine, tally: EnergyTally) -> tuple[list[Taking], list[str]]:
    """What takes energy, and the names of what has no figures.

    `tally` says which pairs of parts moved bytes. Copy engines are counted in the units beside them, crossbars in
    the units on them.
    """
    names = group_names(machine)
    found: dict[tuple[str, str], Taking] = {}
    unknown: dict[str, None] = {}

    def of(name: str, kind: str, cause: str) -> Taking:
        key = names[name], cause
        return found.setdefault(key, Taking(names[name], kind, cause))

    for memory in machine.memory_list:
        if memory.energy is None:
            unknown[names[memory.name]] = None
        else:
            of(memory.name, "memory", "background").watts += memory.energy.background_w
            of(memory.name, "memory", "refresh").watts += memory.energy.refresh_w
    for unit in _computing(machine):
        if unit.energy is None:
            unknown[names[unit.name]] = None
        else:
            of(unit.name, "unit", "static").watts += unit.energy.static_w
    for part, kind in _carrying(machine):
        if part.energy is None:
            unknown[names[part.name]] = None
        elif part.energy.static_w:
            of(part.name, kind, "static").watts += part.energy.static_w
    for column, parts in _counted(machine, tally):
        for name, kind, cause, joules in parts:
            if joules is None:
                unknown[f"{names[name]}: {cause}"] = None
            else:
                taking = of(name, kind, cause)
                taking.per_count[column] = taking.per_count.get(column, 0.0) + joules
    return list(found.values()), list(unknown)


_Part = tuple[str, str, str, float | None]
"""Component, kind, cause and joules per count (None: unknown)."""


def _counted(machine: Machine, tally: EnergyTally) -> Iterator[tuple[int, list[_Part]]]:
    """Every column in use with what it takes where. A part that is unknown as a whole is not named again."""
    columns, total = tally.columns, tally.by_use.sum(axis=0)
    units = list(machine.units.values())
    memories = sorted(machine.memory_list, key=lambda memory: memory.base_address)
    used = np.flatnonzero(total)
    for column in used[used < columns.copies].tolist():
        unit, rest = divmod(column, 2 * columns.memories)
        memory, op = memories[rest // 2], rest % 2
        inside = machine.is_inside(units[unit].name, memory.name)
        ends = (memory.name, units[unit].name) if op == READ else (units[unit].name, memory.name)
        parts = [*_accessed(memory, op, inside), *_carried(machine, *ends)]
        yield column, [*parts, *_on_chip(units[unit])]
    for column in _between(used, columns.copies, columns.rows):
        source, target = (memories[index] for index in divmod(column - columns.copies, columns.memories))
        ways = _carried(machine, source.name, target.name) if source is not target else []
        yield column, [*_accessed(source, READ, False), *_accessed(target, WRITE, False), *ways]
    for column in _between(used, columns.rows, columns.operations):
        memory = memories[column - columns.rows]
        if memory.energy is not None:
            yield column, [(memory.name, "memory", "activate", memory.energy.activate_j * _ROWS_COUNTED)]
    for column in _between(used, columns.operations, columns.active):
        index, of_type = divmod(column - columns.operations, columns.types)
        yield column, _operated(units[index], tally.types[of_type])
    for column in _between(used, columns.active, columns.total):
        which, index = divmod(column - columns.active, columns.units)
        energy = units[index].energy
        if energy is not None and units[index].role != Role.COPY:
            joules = (energy.active_w / 1e12, energy.software_w / 1e12, energy.unpack_j)[which]
            yield column, [(units[index].name, "unit", ("active", "software", "unpacking")[which], joules)]


def _between(used: NDArray[np.int64], first: int, end: int) -> list[int]:
    found: list[int] = used[(used >= first) & (used < end)].tolist()
    return found


def _accessed(memory: Memory, op: int, inside: bool) -> list[_Part]:
    if memory.energy is None:
        return []
    energy: MemoryEnergy = memory.energy
    per_bit = energy.read_j_per_bit if op == READ else energy.write_j_per_bit
    if inside:
        per_bit -= energy.port_j_per_bit
    return [(memory.name, "memory", "read" if op == READ else "write", 8 * per_bit)]


def _on_chip(unit: Unit) -> list[_Part]:
    if unit.energy is None or unit.role == Role.COPY:
        return []
    return [(unit.name, "unit", "on chip", 8 * unit.energy.on_chip_j_per_bit)]


def _operated(unit: Unit, of_type: str) -> list[_Part]:
    if unit.energy is None or unit.role == Role.COPY:
        return []
    joules = dict(unit.energy.operation_j).get(of_type) if of_type != UNKNOWN_TYPE else None
    return [(unit.name, "unit", f"operations {of_type}", joules)]


def _carried(machine: Machine, source: str, target: str) -> list[_Part]:
    """Links, switches and the fabric between two nodes."""
    if machine.is_inside(source, target) or machine.is_inside(target, source):
        return []
    for peer in machine.peers.values():
        if source in peer.members and target in peer.members:
            return _transfer(peer.name, "fabric", peer.energy)
    parts = []
    for link in machine.links_between(source, target):
        parts += _transfer(link.name, "link", link.energy)
    for node in machine.way(source, target)[1:-1]:
        if node in machine.switches:
            parts += _transfer(node, "switch", machine.switches[node].energy)
    return parts


def _transfer(name: str, kind: str, energy: TransferEnergy | None) -> list[_Part]:
    return [(name, kind, "transfer", 8 * energy.j_per_bit)] if energy is not None else []


def _computing(machine: Machine) -> Iterator[Unit]:
    return (unit for unit in machine.units.values() if unit.role != Role.COPY)


def _carrying(machine: Machine) -> Iterator[tuple[Link | Switch | PeerFabric, str]]:
    """Links of a finite rate, fabrics, and switches that no unit or memory hangs at directly."""
    for link in machine.links.values():
        if np.isfinite(link.bytes_per_s) or link.energy is not None:
            yield link, "link"
    for peer in machine.peers.values():
        yield peer, "fabric"
    apart = [link for link in machine.links.values() if not set(link.ends) <= set(machine.switches)]
    crossbars = {end for link in apart for end in link.ends}
    for switch in machine.switches.values():
        if switch.energy is not None or switch.name not in crossbars:
            yield switch, "switch"


def group_names(machine: Machine) -> dict[str, str]:
    """Instances of one part under one name: ``ndp*.dram`` for ``ndp0.dram``, ``ndp1.dram``."""
    names = [*machine.units, *machine.memories, *machine.links, *machine.switches, *machine.peers]
    together = {name: _NUMBER.sub("*", name, count=1) for name in names}
    count = Counter(together.values())
    return {name: group if count[group] > 1 else name for name, group in together.items()}
