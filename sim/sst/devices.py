"""A machine seen as SST is built from it: devices around at most one fabric switch.

A device is what hangs together without the links between switches: one package, board or host. Its
units share its memory and its port, so its events are replayed by one stream core.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import networkx as nx
import numpy as np

from hw_models.components import Link, Memory, Switch, Unit
from hw_models.machine import Machine
from moe_cosim.errors import InputError, Plain


@dataclass(frozen=True)
class Spoke:
    """A device's link to the fabric. Legs are one way, from a part to the fabric switch's port."""

    name: str
    bytes_per_s: float
    """Payload of one direction."""
    unit_leg_ps: int
    memory_leg_ps: int


@dataclass(frozen=True)
class Device:
    name: str
    units: tuple[Unit, ...]
    memories: tuple[Memory, ...]
    local_ps: int
    """One way between a unit and a memory of the device; 0 where it lacks one of them."""
    spoke: Spoke | None


@dataclass(frozen=True)
class Fabric:
    """What joins the devices: the machine's switch, or a single link (then of no latency of its own)."""

    name: str
    latency_ps: int


@dataclass(frozen=True)
class Layout:
    devices: tuple[Device, ...]
    fabric: Fabric | None

    def device_of_unit(self, unit: str) -> int:
        """Index into `devices`."""
        return next(i for i, device in enumerate(self.devices) if unit in [u.name for u in device.units])

    def device_of_memory(self, memory: str) -> int:
        """Index into `devices`."""
        return next(i for i, device in enumerate(self.devices) if memory in [m.name for m in device.memories])


def find_layout(machine: Machine) -> Layout:
    """Raises `InputError` for a machine that this engine cannot build (its limits are in docs/sst-engine.md)."""
    where = f"machine {machine.name}"
    joints = [link for link in machine.links.values() if all(end in machine.switches for end in link.ends)]
    inside = nx.restricted_view(machine.graph, [], [link.ends for link in joints])
    groups = [sorted(group, key=list(machine.graph).index) for group in nx.connected_components(inside)]
    fabrics = [g[0] for g in groups if not any(n in machine.units or n in machine.memories for n in g)]
    packages = [g for g in groups if g[0] not in fabrics]
    if machine.peers:
        allowed = "none: SST is not given a second way between memories (sst engine)"
        raise InputError(where, "peers", Plain(", ".join(machine.peers)), allowed)
    if len(fabrics) > 1:
        raise InputError(where, "switches", Plain(", ".join(fabrics)), "at most one switch without parts of its own")
    _refuse_inner_limits(machine, joints, where)
    fabric = _fabric(machine, fabrics, joints, where)
    devices = tuple(_device(machine, group, fabric, joints, where) for group in packages)
    names = [device.name for device in devices]
    if len(set(names)) < len(names):
        raise InputError(where, "devices", Plain(", ".join(names)), "names that differ before their dot")
    return Layout(devices, fabric)


def _refuse_inner_limits(machine: Machine, joints: Iterable[Link], where: str) -> None:
    """Links of memHierarchy inside a device have a latency and no rate; the router limits its ports only."""
    for switch in machine.switches.values():
        if np.isfinite(switch.bytes_per_s):
            raise InputError(where, f"switches.{switch.name}.rate", switch.bytes_per_s, "unlimited (sst engine)")
    between = {link.name for link in joints}
    for link in machine.links.values():
        if link.name not in between and np.isfinite(link.bytes_per_s):
            raise InputError(where, f"links.{link.name}.rate", link.bytes_per_s, "unlimited in a device (sst engine)")
        if link.name in between and not np.isfinite(link.bytes_per_s):
            raise InputError(
                where, f"links.{link.name}.rate", Plain("unlimited"), "a rate, between devices (sst engine)"
            )


def _fabric(machine: Machine, fabrics: list[str], joints: list[Link], where: str) -> Fabric | None:
    if fabrics:
        switch: Switch = machine.switches[fabrics[0]]
        beside = [link.name for link in joints if switch.name not in link.ends]
        if beside:
            allowed = f"every device linked to {switch.name} only (sst engine)"
            raise InputError(where, "links", Plain(", ".join(beside)), allowed)
        return Fabric(switch.name, switch.latency_ps)
    if len(joints) > 1:
        allowed = "two devices on one link, or all devices on one switch (sst engine)"
        raise InputError(where, "links", Plain(", ".join(link.name for link in joints)), allowed)
    return Fabric(joints[0].name, 0) if joints else None


def _device(machine: Machine, nodes: list[str], fabric: Fabric | None, joints: list[Link], where: str) -> Device:
    units = tuple(machine.units[n] for n in nodes if n in machine.units)
    memories = tuple(machine.memories[n] for n in nodes if n in machine.memories)
    name = nodes[0].partition(".")[0]
    local = {machine.path(u.name, m.name).latency_ps for u in units for m in memories}
    spoke = None
    if fabric is not None:
        link = next(link for link in joints if set(link.ends) & set(nodes))
        unit_legs = {_leg(machine, u.name, link, fabric, nodes) for u in units}
        memory_legs = {_leg(machine, m.name, link, fabric, nodes) for m in memories}
        spoke = Spoke(
            link.name,
            link.bytes_per_s,
            _same(unit_legs, where, f"{name}, units to {fabric.name}"),
            _same(memory_legs, where, f"{name}, memories to {fabric.name}"),
        )
    return Device(name, units, memories, _same(local, where, f"{name}, units to memories"), spoke)


def _leg(machine: Machine, part: str, link: Link, fabric: Fabric, nodes: list[str]) -> int:
    """One way from a part to the fabric: to its switch, or to the middle of the only link."""
    if fabric.name in machine.switches:
        return machine.path(part, fabric.name).latency_ps
    near = next(end for end in link.ends if end in nodes)
    half = link.latency_ps // 2 if near == link.ends[0] else link.latency_ps - link.latency_ps // 2
    return machine.path(part, near).latency_ps + machine.switches[near].latency_ps + half


def _same(latencies: set[int], where: str, what: str) -> int:
    if len(latencies) > 1:
        found = Plain(f"{', '.join(map(str, sorted(latencies)))} ps")
        raise InputError(where, f"latency of {what}", found, "one latency for all parts of a device (sst engine)")
    return latencies.pop() if latencies else 0
