"""A machine as boxes and lines: devices in rows by how far they are from the unit that computes the dense part.

Instances of one device are one box. What a device has inside is listed in its box; lines are the links between devices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.results.energy.components import group_names
from moe_cosim.sim.results.result import Result


@dataclass(frozen=True)
class Use:
    """Shares of what all instances could do: their mean, least and most."""

    shares: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of all instances, each counted alike."""
        return sum(self.shares) / len(self.shares)

    @property
    def text(self) -> str:
        """``12 %``, or ``12 % (3 to 40 %)`` where instances differ."""
        least, most = f"{min(self.shares):.0%}", f"{max(self.shares):.0%}"
        mean = f"{self.mean:.0%}"
        return mean if least == most else f"{mean} ({least} to {most})"


@dataclass(frozen=True)
class DevicePart:
    """A unit or a memory of a device, or the port of a memory whose arrays give more than it lets through."""

    name: str
    """Of the group: ``dimm*.dram``."""
    kind: str
    """``unit``, ``memory`` or ``port``."""
    peak_bytes_per_s: float | None
    use: Use


@dataclass(frozen=True)
class DeviceGroup:
    """All instances of a device."""

    name: str
    """Of the group: ``dimm*``."""
    count: int
    depth: int
    """Links from the main unit's device."""
    parts: list[DevicePart] = field(default_factory=list)


@dataclass(frozen=True)
class DeviceLink:
    """Between two devices, the first of them nearer to the main unit."""

    name: str
    near: str
    far: str
    payload_bytes_per_s: float | None
    """None: nothing limits it."""
    outward: Use | None
    inward: Use | None


@dataclass(frozen=True)
class MachineGraph:
    """What is drawn of a machine: devices that are alike as one, and the links between these."""

    devices: list[DeviceGroup]
    links: list[DeviceLink]


def machine_graph(machine: Machine, result: Result) -> MachineGraph:
    """`result` says how much of everything was used."""
    names = group_names(machine)
    depths = _depths(machine)
    count: dict[str, set[str]] = {}
    for name in (*machine.units, *machine.memories, *machine.switches):
        count.setdefault(_device(names[name]), set()).add(_device(name))
    devices = {
        name: DeviceGroup(name, len(count[name]), depths[name]) for name in sorted(count, key=lambda name: depths[name])
    }
    for part in _parts(machine, result, names):
        devices[_device(part.name)].parts.append(part)
    return MachineGraph(list(devices.values()), list(_links(machine, result, names, depths)))


def _device(name: str) -> str:
    return name.partition(".")[0]


def _depths(machine: Machine) -> dict[str, int]:
    """Of groups of devices, in links between devices from the main unit's."""
    names = group_names(machine)
    beside: dict[str, set[str]] = {}
    for link in machine.links.values():
        a, b = (_device(names[end]) for end in link.ends)
        beside.setdefault(a, set()).add(b)
        beside.setdefault(b, set()).add(a)
    start = _device(names[machine.main_unit.name])
    found, edge = {start: 0}, [start]
    while edge:
        edge = [other for name in edge for other in sorted(beside.get(name, ())) if other not in found]
        found |= {name: max(found.values()) + 1 for name in edge}
    return found


def _parts(machine: Machine, result: Result, names: Mapping[str, str]) -> Iterable[DevicePart]:
    units = {row.name: row.utilization for row in result.units}
    memories = {row.name: row for row in result.memories}
    for group, members in _together(machine.units, names).items():
        yield DevicePart(group, "unit", None, Use(tuple(units[name] for name in members)))
    for group, members in _together(machine.memories, names).items():
        peak = memories[members[0]].peak_bytes_per_s
        yield DevicePart(group, "memory", peak, Use(tuple(memories[name].utilization for name in members)))
    ports = {row.name.removesuffix(":port"): row for row in result.links if row.name.endswith(":port")}
    for group, members in _together(ports, names).items():
        rate = ports[members[0]].payload_bytes_per_s
        yield DevicePart(group, "port", rate, Use(tuple(ports[name].utilization for name in members)))


def _links(
    machine: Machine, result: Result, names: Mapping[str, str], depths: Mapping[str, int]
) -> Iterable[DeviceLink]:
    rows = {row.name: row for row in result.links}
    for group, members in _together(machine.links, names).items():
        outward: list[float] = []
        inward: list[float] = []
        rate = None
        for name in members:
            near, far = sorted(machine.links[name].ends, key=lambda end: depths[_device(names[end])])
            for shares, way in ((outward, f"{name}:{near}->{far}"), (inward, f"{name}:{far}->{near}")):
                if way in rows:
                    shares.append(rows[way].utilization)
                    rate = rows[way].payload_bytes_per_s
        a, b = _device(names[near]), _device(names[far])
        if a != b:
            uses = (Use(tuple(shares)) if shares else None for shares in (outward, inward))
            yield DeviceLink(group, a, b, rate, *uses)


def _together(members: Iterable[str], names: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in members:
        found.setdefault(names[name], []).append(name)
    return found
