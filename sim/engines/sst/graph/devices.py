"""A machine seen as SST is built from it: devices around at most one fabric switch.

A device is what hangs together without the links that have a rate: one package, board or host, or a
memory channel with its modules. Its units share its memories and its port, so its events are replayed
by one stream core. Where one switch joins the devices it is the fabric; parts that sit at that switch
itself (a host's cores on its hub) are a device too, one whose port no rate limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.components import Link, Memory, PeerFabric, Unit
from moe_cosim.hw_models.machine import Machine


@dataclass(frozen=True)
class Spoke:
    """A device's link to the fabric. Legs are one way, from a part to the fabric switch's port."""

    name: str
    bytes_per_s: float
    """Payload of one direction. Of parts at the fabric switch itself: more than all others' together."""
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
    peer: PeerFabric | None = None
    """The second way between its members, for copies."""

    def device_of_unit(self, unit: str) -> int:
        """Index into `devices`."""
        return next(i for i, device in enumerate(self.devices) if unit in [u.name for u in device.units])

    def device_of_memory(self, memory: str) -> int:
        """Index into `devices`."""
        return next(i for i, device in enumerate(self.devices) if memory in [m.name for m in device.memories])


@dataclass(frozen=True)
class _Cut:
    """The machine's tree without its links of a rate."""

    pieces: list[list[str]]
    """Nodes of each piece, in the machine's order."""
    rated: list[Link]


def find_layout(machine: Machine) -> Layout:
    """Raises `InputError` for a machine that this engine cannot build (its limits are in docs/sst-engine.md)."""
    where = f"machine {machine.name}"
    _refuse_inner_limits(machine, where)
    cut = _cut(machine)
    centre = _centre(machine, cut, where)
    fabric = _fabric(machine, cut, centre)
    devices: list[Device] = []
    for index, piece in enumerate(cut.pieces):
        if any(node in machine.units or node in machine.memories for node in piece):
            link = next((link for link in cut.rated if set(link.ends) & set(piece)), None)
            at_fabric = fabric is not None and index == centre
            devices.append(_device(machine, piece, fabric, cut, link, at_fabric, where))
    names = [device.name for device in devices]
    if len(set(names)) < len(names):
        raise InputError(where, "devices", Plain(", ".join(names)), "names that differ before their dot")
    return Layout(tuple(devices), fabric, _peer(machine, where))


def _refuse_inner_limits(machine: Machine, where: str) -> None:
    """Links of memHierarchy inside a device have a latency and no rate; the router limits its ports only."""
    for switch in machine.switches.values():
        if np.isfinite(switch.bytes_per_s):
            raise InputError(where, f"switches.{switch.name}.rate", switch.bytes_per_s, "unlimited (sst engine)")
    for link in machine.links.values():
        if np.isfinite(link.bytes_per_s) and not all(end in machine.switches for end in link.ends):
            raise InputError(where, f"links.{link.name}.rate", link.bytes_per_s, "unlimited in a device (sst engine)")


def _cut(machine: Machine) -> _Cut:
    rated = [link for link in machine.links.values() if np.isfinite(link.bytes_per_s)]
    inside = nx.restricted_view(machine.graph, [], [link.ends for link in rated])
    order = list(machine.graph)
    pieces = [sorted(piece, key=order.index) for piece in nx.connected_components(inside)]
    return _Cut(pieces, rated)


def _centre(machine: Machine, cut: _Cut, where: str) -> int | None:
    """Index of the piece with the fabric switch; None for one device, or two on a link."""
    if not cut.rated:
        return None
    empty = [p for p in cut.pieces if not any(n in machine.units or n in machine.memories for n in p)]
    if len(empty) > 1:
        found = Plain(", ".join(piece[0] for piece in empty))
        raise InputError(where, "switches", found, "at most one switch without parts of its own")
    if empty:
        centre = cut.pieces.index(empty[0])
    elif len(cut.rated) == 1:
        return None
    else:
        degree = [sum(bool(set(link.ends) & set(piece)) for link in cut.rated) for piece in cut.pieces]
        centre = int(np.argmax(degree))
    switches = [node for node in cut.pieces[centre] if node in machine.switches]
    joints = {end for link in cut.rated for end in link.ends if end in cut.pieces[centre]}
    beside = [link.name for link in cut.rated if not set(link.ends) & joints]
    if beside or len(switches) > 1:
        found = Plain(", ".join(beside or switches))
        allowed = f"every device linked to one switch, {min(joints)}, by a link with a rate (sst engine)"
        raise InputError(where, "links" if beside else "switches", found, allowed)
    return centre


def _fabric(machine: Machine, cut: _Cut, centre: int | None) -> Fabric | None:
    if centre is not None:
        switch = next(machine.switches[node] for node in cut.pieces[centre] if node in machine.switches)
        return Fabric(switch.name, switch.latency_ps)
    return Fabric(cut.rated[0].name, 0) if cut.rated else None


def _device(
    machine: Machine, nodes: list[str], fabric: Fabric | None, cut: _Cut, link: Link | None, at_fabric: bool, where: str
) -> Device:
    units = tuple(machine.units[n] for n in nodes if n in machine.units)
    memories = tuple(machine.memories[n] for n in nodes if n in machine.memories)
    near = next((end for end in link.ends if end in nodes), nodes[0]) if link else nodes[0]
    name = near.partition(".")[0]
    local = {machine.path(u.name, m.name).latency_ps for u in units for m in memories}
    spoke = None
    if fabric is not None and link is not None:
        unit_legs = {_leg(machine, u.name, link, fabric, near) for u in units}
        memory_legs = {_leg(machine, m.name, link, fabric, near) for m in memories}
        spoke = Spoke(
            fabric.name if at_fabric else link.name,
            sum(other.bytes_per_s for other in cut.rated) if at_fabric else link.bytes_per_s,
            _same(unit_legs, where, f"{name}, units to {fabric.name}"),
            _same(memory_legs, where, f"{name}, memories to {fabric.name}"),
        )
    return Device(name, units, memories, _same(local, where, f"{name}, units to memories"), spoke)


def _leg(machine: Machine, part: str, link: Link, fabric: Fabric, near: str) -> int:
    """One way from a part to the fabric: to its switch, or to the middle of the only link."""
    if fabric.name in machine.switches:
        return machine.path(part, fabric.name).latency_ps
    half = link.latency_ps // 2 if near == link.ends[0] else link.latency_ps - link.latency_ps // 2
    return machine.path(part, near).latency_ps + machine.switches[near].latency_ps + half


def _peer(machine: Machine, where: str) -> PeerFabric | None:
    peers = list(machine.peers.values())
    if len(peers) > 1:
        found = Plain(", ".join(peer.name for peer in peers))
        raise InputError(where, "peers", found, "one peer fabric at most (sst engine)")
    if peers and not np.isfinite(peers[0].bytes_per_s):
        raise InputError(where, f"peers.{peers[0].name}.rate", Plain("unlimited"), "a rate (sst engine)")
    return peers[0] if peers else None


def _same(latencies: set[int], where: str, what: str) -> int:
    if len(latencies) > 1:
        found = Plain(f"{', '.join(map(str, sorted(latencies)))} ps")
        raise InputError(where, f"latency of {what}", found, "one latency for all parts of a device (sst engine)")
    return latencies.pop() if latencies else 0
