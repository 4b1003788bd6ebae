"""Peer fabrics: each a router of its own, with a port of the core and a directory at the bus for each memory on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from moe_cosim.hw_models.components import Memory, PeerFabric
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst.graph import ports, sizing
from moe_cosim.sim.engines.sst.graph.devices import Device
from moe_cosim.sim.engines.sst.graph.graph import Component, GraphLink, SubComponent, Value


@dataclass(frozen=True)
class Member:
    """A memory on a peer fabric."""

    fabric: PeerFabric
    memory: Memory
    name: str
    """Of its directory there."""

    @property
    def legs_ps(self) -> tuple[int, int]:
        """Of the core's link to the router, and of all that lies between router and memory.

        The machine counts the fabric's latency once per line copied; here a line and its acknowledgement cross it,
        so each takes half.
        """
        way_ps = self.fabric.latency_ps // 2
        return max(1, way_ps // 2), way_ps - way_ps // 2


class Peers:
    """The fabrics as a program uses them. One without a rate has one that its members' memories cannot fill."""

    def __init__(self, machine: Machine, used: Collection[tuple[str, str]] | None, line_bytes: int) -> None:
        """`used`: pairs of fabric and memory; None: all."""
        self._machine = machine
        self._line_bytes = line_bytes
        self._ports = dict.fromkeys(machine.peers, 0)
        self.members = [
            Member(_limited(machine, fabric), memory, _directory_name(machine, fabric, memory))
            for fabric in machine.peers.values()
            for memory in machine.memory_list
            if memory.name in fabric.members and (used is None or (fabric.name, memory.name) in used)
        ]

    def of(self, device: Device) -> list[Member]:
        """Memberships of the device's memories, each in one fabric."""
        return [member for memory in device.memories for member in self.members if member.memory == memory]

    def core_parameters(self, own: Sequence[Member]) -> dict[str, Value]:
        """Of a stream core: every range on a fabric, and which of them are its device's."""
        fabrics = list(self._machine.peers)
        numbers = [self.members.index(member) for member in own]
        beside = [
            f"{index}, {number}"
            for index, unit in enumerate(self._machine.units.values())
            for number, member in zip(numbers, own, strict=True)
            if unit.local_memory == member.memory.name
        ]
        return {
            "peer_ranges": ports.ranges([member.memory for member in self.members]),
            "peer_fabrics": ports.array(fabrics.index(member.fabric.name) for member in self.members),
            "peer_own": ports.array(numbers),
            "peer_units": ports.array(beside),
            "peer_bandwidths": ports.array(f"{round(member.fabric.bytes_per_s)}B/s" for member in own),
        }

    def nic(self, slot: str, group: int, member: Member) -> SubComponent:
        """The device's network interface to a fabric, as the sub-component `slot`; `group`: that of cores or of
        memories.
        """
        fabric = member.fabric
        return ports.nic(slot, fabric.bytes_per_s, group, fabric.latency_ps, self._line_bytes)

    def plug(self, path: str, member: Member, latency_ps: int, role: str) -> GraphLink:
        """A link from a network interface to the fabric's router."""
        fabric = member.fabric
        port = self._ports[fabric.name]
        self._ports[fabric.name] += 1
        note = f"{role}; {fabric.name}: {fabric.bytes_per_s / 1e9:.1f} GB/s of payload each way"
        name = f"{fabric.name}.{member.memory.name}.{role}"
        return ports.link(name, (path, "port"), (f"{fabric.name}.router", f"port{port}"), latency_ps, note, True)

    def routers(self, first: int) -> Iterable[Component]:
        """Numbered from `first`."""
        for number, (name, count) in enumerate(self._ports.items()):
            if count:
                fabric = _limited(self._machine, self._machine.peers[name])
                rate = sizing.raw_bytes_per_s(fabric.bytes_per_s, self._line_bytes)
                joined = sum(member.fabric.name == name for member in self.members)
                note = f"joins {joined} memories for copies; the latency is in its links"
                own = ports.Ports(count, rate, fabric.latency_ps)
                topology = SubComponent("topology", "merlin.singlerouter")
                yield ports.router(f"{name}.router", first + number, own, 0, self._line_bytes, note, topology)


def _limited(machine: Machine, fabric: PeerFabric) -> PeerFabric:
    if np.isfinite(fabric.bytes_per_s):
        return fabric
    most = sum(machine.memories[member].peak_bytes_per_s for member in fabric.members)
    return replace(fabric, bytes_per_s=most)


def _directory_name(machine: Machine, fabric: PeerFabric, memory: Memory) -> str:
    several = sum(memory.name in other.members for other in machine.peers.values()) > 1
    return f"{memory.name}.{fabric.name}" if several else f"{memory.name}.peer"
