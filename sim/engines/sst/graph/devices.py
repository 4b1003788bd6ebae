"""A machine seen as SST is built from it: devices plugged to routers, and trunks between the routers.

The machine is cut at links that have a rate, or whose switch has one. What hangs together then is a device where it
has parts: one package, board or host, or a memory channel with its modules. Its units share its memories and its port,
so its events are replayed by one stream core. A piece that more than one cut link reaches has a router, named after its
switch; its parts, if any, are plugged to that by a port that no rate limits. Two devices on one link have a router of
no latency in the middle of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from moe_cosim.hw_models.components import Link, Memory, PeerFabric, Unit
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst.graph.flits import port_bytes_per_s
from moe_cosim.sim.engines.sst.graph.pieces import GraphPiece, cut_machine


@dataclass(frozen=True)
class Spoke:
    """A device's link to a router. Legs are one way, from a part to the router's port."""

    name: str
    router: str
    bytes_per_s: float
    """Payload of one direction. Where no rate limits it: more than can come together there."""
    unit_leg_ps: int
    memory_leg_ps: int


@dataclass(frozen=True)
class Device:
    """Units and memories behind one port of the network; `spoke` is how it is plugged in."""

    name: str
    units: tuple[Unit, ...]
    memories: tuple[Memory, ...]
    local_ps: int
    """One way between a unit and a memory of the device; 0 where it lacks one of them."""
    spoke: Spoke | None


@dataclass(frozen=True)
class Router:
    """A switch, or the middle of a link that several devices share."""

    name: str
    node: str
    """The machine's switch that it stands for; empty in the middle of a link."""
    latency_ps: int
    bytes_per_s: float
    """Payload of all that crosses it together; infinite where only its ports limit."""


@dataclass(frozen=True)
class Trunk:
    """A link between two routers."""

    name: str
    nodes: tuple[str, str]
    """The switches at its ends: nodes of routers."""
    bytes_per_s: float
    """Payload of one direction."""
    latency_ps: int


@dataclass(frozen=True)
class Layout:
    """A machine as devices, routers and trunks; without routers there is one device."""

    devices: tuple[Device, ...]
    routers: tuple[Router, ...] = ()
    trunks: tuple[Trunk, ...] = ()
    peers: tuple[PeerFabric, ...] = ()
    """Second ways between their members, for copies."""

    def device_of_unit(self, unit: str) -> int:
        """Index into `devices`."""
        return next(i for i, device in enumerate(self.devices) if unit in [u.name for u in device.units])

    def device_of_memory(self, memory: str) -> int:
        """Index into `devices`."""
        return next(i for i, device in enumerate(self.devices) if memory in [m.name for m in device.memories])

    def router(self, name: str) -> Router:
        """The router of this name, which must be there."""
        return next(router for router in self.routers if router.name == name)


def find_layout(machine: Machine) -> Layout:
    """Raises `InputError` for a machine that this engine cannot build (its limits are in docs/sst-engine.md)."""
    pieces = cut_machine(machine)
    routers = _routers(machine, pieces)
    names = _names(machine, pieces)
    devices = [
        _device(machine, name, piece, routers, pieces)
        for name, piece in zip(names, pieces, strict=True)
        if piece.has_parts(machine)
    ]
    return Layout(
        tuple(devices),
        tuple(routers.values()),
        _trunks(machine, pieces, routers),
        tuple(machine.peers.values()),
    )


def _routers(machine: Machine, pieces: Sequence[GraphPiece]) -> dict[str, Router]:
    """By the node at which their links meet; the one in the middle of a link by the link's name."""
    found = {}
    for piece in pieces:
        switch = machine.switches.get(piece.joint)
        rate = switch.bytes_per_s if switch else np.inf
        if len(piece.links) > 1 or (piece.links and np.isfinite(rate)):
            found[piece.joint] = Router(f"{piece.joint}.router", piece.joint, switch.latency_ps if switch else 0, rate)
    if not found and len(pieces) > 1:
        link = pieces[0].links[0]
        found[link.name] = Router(f"{link.name}.router", "", 0, np.inf)
    return found


def _trunks(machine: Machine, pieces: Sequence[GraphPiece], routers: Mapping[str, Router]) -> tuple[Trunk, ...]:
    cut = {link.name: link for piece in pieces for link in piece.links}
    return tuple(
        Trunk(link.name, link.ends, _open_rate(machine, pieces, link), link.latency_ps)
        for link in cut.values()
        if set(link.ends) <= set(routers)
    )


def _names(machine: Machine, pieces: Sequence[GraphPiece]) -> list[str]:
    """What comes before the dot in the names of their parts, or, where several have that, the whole name of one."""
    nodes = [piece.joint or piece.nodes[0] for piece in pieces]
    devices = Counter(
        node.partition(".")[0] for node, piece in zip(nodes, pieces, strict=True) if piece.has_parts(machine)
    )
    return [short if devices[short := node.partition(".")[0]] == 1 else node for node in nodes]


def _device(
    machine: Machine, name: str, piece: GraphPiece, routers: Mapping[str, Router], pieces: Sequence[GraphPiece]
) -> Device:
    units, memories = piece.units(machine), piece.memories(machine)
    local = {machine.path(unit.name, memory.name).latency_ps for unit in units for memory in memories}
    spoke = None
    if piece.joint in routers:
        router = routers[piece.joint]
        rate = sum(_open_rate(machine, pieces, link) for link in piece.links)
        spoke = _spoke(machine, router.node, router, rate, units, memories)
    elif piece.links:
        (link,) = piece.links
        far = next((end for end in link.ends if end in routers), link.name)
        rate = min(_open_rate(machine, pieces, link), routers[far].bytes_per_s)
        spoke = _spoke(machine, link.name, routers[far], rate, units, memories, link, piece.joint)
    return Device(name, units, memories, max(local, default=0), spoke)


def _spoke(
    machine: Machine,
    name: str,
    router: Router,
    bytes_per_s: float,
    units: Sequence[Unit],
    memories: Sequence[Memory],
    link: Link | None = None,
    near: str = "",
) -> Spoke:
    def leg_ps(part: str) -> int:
        """To the router's switch, or to the middle of the only link."""
        if router.node:
            return machine.path(part, router.node).latency_ps
        assert link is not None
        half = link.latency_ps // 2 if near == link.ends[0] else link.latency_ps - link.latency_ps // 2
        switch = machine.switches.get(near)
        return machine.path(part, near).latency_ps + (switch.latency_ps if switch and part != near else 0) + half

    unit_legs, memory_legs = ([leg_ps(part.name) for part in parts] for parts in (units, memories))
    return Spoke(name, router.name, bytes_per_s, max(unit_legs, default=0), max(memory_legs, default=0))


def _open_rate(machine: Machine, pieces: Sequence[GraphPiece], link: Link) -> float:
    """Of a link; of one without a rate, all that the links with one and memories can bring to it."""
    if np.isfinite(link.bytes_per_s):
        return port_bytes_per_s(link)
    links = {each.name: port_bytes_per_s(each) for piece in pieces for each in piece.links}
    return sum(rate for rate in links.values() if np.isfinite(rate)) + sum(
        memory.peak_bytes_per_s for memory in machine.memory_list
    )
