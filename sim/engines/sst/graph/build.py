"""A machine built into an SST graph: devices, at most one router, a hub for signals.

Per device: a stream core replays its lanes; each memory is one controller with our channel back end.
Where other devices reach its memories, a directory stands between router and memories and a bus joins
it with the core; otherwise core and memory are linked directly. A peer fabric is a router of its own,
with a port of the core and a directory at the bus for each memory that it joins.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.components import Memory, PeerFabric
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst.graph import ports, sizing
from moe_cosim.sim.engines.sst.graph.check import check_graph
from moe_cosim.sim.engines.sst.graph.devices import Device, Fabric, Layout, Spoke, find_layout
from moe_cosim.sim.engines.sst.graph.graph import Component, End, Graph, GraphLink, Statistic, SubComponent, Value
from moe_cosim.sim.engines.sst.graph.memories import MemoryTiming, memory_controller

SHORTEST_CUT_PS: Final = 20_000
"""SST's threads and ranks wait for each other once in the shortest link between them: below this, all the time."""

_CORE_STATISTICS: Final = ("finished", "finish_time", "events", "requests", "read_bytes", "written_bytes")

TIME_BASE: Final = "1fs"
"""merlin rounds the time of a flit to whole time bases: at SST's default, 1 ps, that costs a link percents."""

LONGEST: Final = "18000s"
"""5 hours of simulated time: SST counts time bases in 64 bits."""


@dataclass(frozen=True)
class BuildOptions:
    line_bytes: int = sizing.DEFAULT_LINE_BYTES
    reached: Collection[str] | None = None
    """Memories that units of other devices use; None: all of them."""
    peers: Collection[str] | None = None
    """Memories that copies over the peer fabric use; None: all its members."""
    progress_events: int = 0
    """Between two progress reports of a device; 0: none."""
    memory: MemoryTiming = "shares"
    streams: str = "streams"
    """Folder of the stream files, as the configuration names it."""


def build_graph(machine: Machine, options: BuildOptions, layout: Layout | None = None) -> Graph:
    """A validated graph. Raises `InputError` for a machine or line size that SST cannot take."""
    sizing.check_peaks(machine)
    line_bytes = sizing.check_line_bytes(machine, options.line_bytes, f"machine {machine.name}")
    return _Builder(machine, options, line_bytes, layout or find_layout(machine)).graph()


class _Builder:
    def __init__(self, machine: Machine, options: BuildOptions, line_bytes: int, layout: Layout) -> None:
        self.machine = machine
        self.options = options
        self.line_bytes = line_bytes
        self.layout = layout
        self.reached = _reached(machine, options.reached) if layout.fabric else frozenset[str]()
        self.components: list[Component] = []
        self.links: list[GraphLink] = []
        self.peers = _peer_members(layout, options.peers)
        self.router_ports = 0
        self.peer_ports = 0

    def graph(self) -> Graph:
        cores = [device for device in self.layout.devices if device.units]
        for number, device in enumerate(self.layout.devices):
            self._add_device(number, device, len(cores) > 1)
        if len(cores) > 1:
            self._add_hub(cores)
        if self.layout.fabric is not None and self.router_ports:
            self.components.append(self._router(self.layout.fabric))
        if self.layout.peer is not None and self.peers:
            self.components.append(self._peer_router(self.layout.peer))
        title = f"{self.machine.name}: {self.machine.title}" if self.machine.title else self.machine.name
        graph = Graph(title, tuple(self.components), tuple(self.links), {"timebase": TIME_BASE, "stop-at": LONGEST})
        check_graph(graph)
        return graph

    # -- devices ----------------------------------------------------------------------------

    def _add_device(self, number: int, device: Device, has_hub: bool) -> None:
        name = device.name
        outside = self._outside(device)
        reached = [m for m in device.memories if m.name in self.reached]
        peers = [m for m in device.memories if m.name in self.peers]
        through_bus = (bool(device.units) and bool(reached)) or len(device.memories) > 1 or bool(peers)
        above = 1 if device.units else 0
        if device.units:
            self._add_core(number, device, outside, has_hub)
        if through_bus:
            bus: dict[str, Value] = {"bus_frequency": ports.FAST_CLOCK, "drain_bus": 1}
            note = "joins local and remote requests; it delays, it does not limit"
            self.components.append(Component(f"{name}.bus", "memHierarchy.Bus", bus, section=name, note=note))
            if device.units:
                self._link(
                    f"{name}.core-bus",
                    (f"{name}.core:local", "lowlink"),
                    (f"{name}.bus", "highlink0"),
                    device.local_ps - self._last_leg_ps(device),
                )
        used = device.memories if device.units else [*reached, *(m for m in peers if m not in reached)]
        for index, memory in enumerate(used):
            place = self.machine.memory_list.index(memory)
            self.components.append(memory_controller(memory, device.name, place, self.options.memory))
            if through_bus:
                self._link(
                    f"{memory.name}-bus",
                    (f"{name}.bus", f"lowlink{index}"),
                    (memory.name, "highlink"),
                    self._last_leg_ps(device),
                )
            elif device.units:
                self._link(
                    f"{name}.core-memory", (f"{name}.core:local", "lowlink"), (memory.name, "highlink"), device.local_ps
                )
        if reached:
            upper = (f"{name}.bus", f"highlink{above}") if through_bus else (reached[0].name, "highlink")
            self._add_directory(device, reached, upper, through_bus)
        for index, memory in enumerate(peers):
            self._add_peer(device, memory, f"highlink{above + bool(reached) + index}")

    def _last_leg_ps(self, device: Device) -> int:
        """Of the link between bus and memory, which local and remote requests share."""
        legs = [device.spoke.memory_leg_ps] if device.spoke else []
        return max(1, min([device.local_ps, *legs]) // 2)

    def _outside(self, device: Device) -> bool:
        return any(
            m.name in self.reached for other in self.layout.devices if other is not device for m in other.memories
        )

    def _add_core(self, number: int, device: Device, outside: bool, has_hub: bool) -> None:
        name = device.name
        own_peers = [m for m in device.memories if m.name in self.peers]
        parameters: dict[str, Value] = {
            "stream": f"{self.options.streams}/{name}.stream",
            "timeline": f"{name}.timeline",
            "id": number,
            "line_bytes": self.line_bytes,
            "local_ranges": ports.ranges(device.memories),
        }
        if outside and device.spoke:
            parameters["remote_bandwidth"] = f"{round(device.spoke.bytes_per_s)}B/s"
        if has_hub:
            parameters["hub_delay"] = f"{2 * self.hub_leg_ps}ps"
        if self.options.progress_events:
            parameters["progress_events"] = self.options.progress_events
        slots: list[SubComponent] = []
        if device.memories:
            slots.append(SubComponent("local", "memHierarchy.standardInterface"))
        if outside and device.spoke:
            nic = self._spoke_nic("lowlink", device.spoke, ports.CORE_GROUP, device.spoke.unit_leg_ps)
            slots.append(SubComponent("remote", "memHierarchy.standardInterface", {}, (nic,)))
        if own_peers and self.layout.peer:
            parameters |= self._peer_parameters(self.layout.peer, own_peers)
            for index in range(len(own_peers)):
                nic = self._peer_nic("lowlink", ports.CORE_GROUP)
                slots.append(SubComponent("peer", "memHierarchy.standardInterface", {}, (nic,), index))
        lanes = "; ".join(
            f"{unit.name}: {', '.join(unit.lanes)} ({unit.window_bytes:.0f} B window)" for unit in device.units
        )
        statistics = tuple(Statistic(statistic) for statistic in _CORE_STATISTICS)
        core = f"{name}.core"
        self.components.append(
            Component(core, "moecosim.StreamCore", parameters, tuple(slots), statistics, name, f"lanes of {lanes}")
        )
        if outside and device.spoke:
            self._link_to_router(device.spoke, f"{core}:remote:lowlink", device.spoke.unit_leg_ps, "requests")
        for index, memory in enumerate(own_peers):
            slot = "peer" + (f"[{index}]" if index else "")
            self._link_to_peers(f"{core}:{slot}:lowlink", memory, self._peer_legs_ps(device)[0], "requests")

    def _add_directory(
        self, device: Device, memories: Sequence[Memory], upper: tuple[str, str], through_bus: bool
    ) -> None:
        spoke = _spoke(device)
        turn = f"{memories[0].name if len(memories) == 1 else device.name}.turns"
        where = memories[0].name if len(memories) == 1 else device.name
        name = f"{where}.port"
        addresses = ports.span(self.machine, memories)
        nic_ps = spoke.memory_leg_ps - ports.ARBITER_PS
        if through_bus:
            nic_ps -= self._last_leg_ps(device)
        nic = self._spoke_nic("highlink", spoke, ports.MEMORY_GROUP, nic_ps)
        names = " and ".join(memory.name for memory in memories)
        note = f"where other devices reach {names}; {_link_note(spoke)}"
        self.components.append(ports.directory(name, addresses, nic, self.line_bytes, device.name, note))
        self._add_arbiter(device, turn, (name, "lowlink"), upper, spoke.bytes_per_s)
        self._link_to_router(spoke, f"{name}:highlink", nic_ps, "memory")

    def _add_arbiter(
        self, device: Device, name: str, upper: tuple[str, str], lower: tuple[str, str], bytes_per_s: float
    ) -> None:
        self.components.append(ports.arbiter(name, bytes_per_s, device.name))
        self._link(f"{name}-outside", upper, (name, "outside"), 1)
        self._link(f"{name}-inside", (name, "inside"), lower, 1)

    # -- fabric -----------------------------------------------------------------------------

    def _spoke_nic(self, slot: str, spoke: Spoke, group: int, link_ps: int) -> SubComponent:
        return ports.nic(slot, spoke.bytes_per_s, group, 2 * max(link_ps, 1) + self._router_ps, self.line_bytes)

    @property
    def _router_ps(self) -> int:
        return self.layout.fabric.latency_ps if self.layout.fabric else 0

    def _link_to_router(self, spoke: Spoke, path: str, latency_ps: int, role: str) -> None:
        fabric = self.layout.fabric
        assert fabric is not None
        port = f"port{self.router_ports}"
        self.router_ports += 1
        self._link(
            f"{spoke.name}.{path.split(':')[0]}",
            (path, "port"),
            (_router_name(fabric), port),
            latency_ps,
            f"{role}; {_link_note(spoke)}",
            may_cut=True,
        )

    def _router(self, fabric: Fabric) -> Component:
        spokes = [_spoke(device) for device in self.layout.devices]
        rate = max(sizing.raw_bytes_per_s(spoke.bytes_per_s, self.line_bytes) for spoke in spokes)
        longest = max(max(spoke.unit_leg_ps, spoke.memory_leg_ps) for spoke in spokes)
        note = f"{fabric.latency_ps / 1000:.0f} ns; {self.router_ports} ports, each limited by its own end"
        loop_ps = 2 * longest + fabric.latency_ps
        name = _router_name(fabric)
        return ports.router(name, 0, self.router_ports, rate, fabric.latency_ps, loop_ps, self.line_bytes, note)

    # -- peer fabric ------------------------------------------------------------------------

    def _add_peer(self, device: Device, memory: Memory, port: str) -> None:
        assert self.layout.peer is not None
        name = f"{memory.name}.peer"
        addresses = ports.span(self.machine, [memory])
        nic = self._peer_nic("highlink", ports.MEMORY_GROUP)
        note = f"where its peers reach {memory.name}"
        self.components.append(ports.directory(name, addresses, nic, self.line_bytes, device.name, note))
        lower = (f"{device.name}.bus", port)
        self._add_arbiter(device, f"{memory.name}.peer-turns", (name, "lowlink"), lower, self.layout.peer.bytes_per_s)
        self._link_to_peers(f"{name}:highlink", memory, self._peer_legs_ps(device)[1], "memory")

    def _peer_legs_ps(self, device: Device) -> tuple[int, int]:
        """Of the core's and of the directory's link to the peer router.

        The machine counts the fabric's latency once per line copied; here a line and its
        acknowledgement cross it, so each takes half.
        """
        assert self.layout.peer is not None
        way_ps = self.layout.peer.latency_ps // 2
        core_ps = way_ps // 2
        return max(1, core_ps), max(1, way_ps - core_ps - ports.ARBITER_PS - self._last_leg_ps(device))

    def _peer_parameters(self, peer: PeerFabric, own: Sequence[Memory]) -> dict[str, Value]:
        members = [memory for memory in self.machine.memory_list if memory.name in self.peers]
        numbers = {memory.name: members.index(memory) for memory in own}
        beside = [
            f"{index}, {numbers[unit.local_memory]}"
            for index, unit in enumerate(self.machine.units.values())
            if unit.local_memory in numbers
        ]
        return {
            "peer_ranges": ports.ranges(members),
            "peer_own": f"[{', '.join(map(str, numbers.values()))}]",
            "peer_units": f"[{', '.join(beside)}]",
            "peer_bandwidth": f"{round(peer.bytes_per_s)}B/s",
        }

    def _peer_nic(self, slot: str, group: int) -> SubComponent:
        peer = self.layout.peer
        assert peer is not None
        return ports.nic(slot, peer.bytes_per_s, group, peer.latency_ps, self.line_bytes)

    def _link_to_peers(self, path: str, memory: Memory, latency_ps: int, role: str) -> None:
        peer = self.layout.peer
        assert peer is not None
        port = f"port{self.peer_ports}"
        self.peer_ports += 1
        note = f"{role}; {peer.name}: {peer.bytes_per_s / 1e9:.1f} GB/s of payload each way"
        self._link(
            f"{peer.name}.{memory.name}.{role}",
            (path, "port"),
            (f"{peer.name}.router", port),
            latency_ps,
            note,
            may_cut=True,
        )

    def _peer_router(self, peer: PeerFabric) -> Component:
        rate = sizing.raw_bytes_per_s(peer.bytes_per_s, self.line_bytes)
        note = f"joins {len(self.peers)} memories for copies; the latency is in its links"
        name = f"{peer.name}.router"
        return ports.router(name, 1, self.peer_ports, rate, 0, peer.latency_ps, self.line_bytes, note)

    # -- signals ----------------------------------------------------------------------------

    @property
    def hub_leg_ps(self) -> int:
        """Half the shortest way between units of two devices: the receiving core adds the rest."""
        ways = [
            self.machine.path(a.name, b.name).latency_ps
            for one in self.layout.devices
            for other in self.layout.devices
            if one is not other
            for a in one.units
            for b in other.units
        ]
        return max(1, min(ways) // 2)

    def _add_hub(self, cores: list[Device]) -> None:
        note = "passes signals between devices"
        self.components.append(Component("signals", "moecosim.Hub", {"ports": len(cores)}, section="fabric", note=note))
        for index, device in enumerate(cores):
            core, port = (f"{device.name}.core", "hub"), ("signals", f"core{index}")
            self._link(f"{device.name}.signals", core, port, self.hub_leg_ps, may_cut=True)

    def _link(
        self,
        name: str,
        a: tuple[str, str],
        b: tuple[str, str],
        latency_ps: int,
        note: str = "",
        may_cut: bool = False,
    ) -> None:
        name = re.sub(r"\W", "_", name)  # SST warns of other characters in a link's name
        may_cut = may_cut and latency_ps >= SHORTEST_CUT_PS
        self.links.append(GraphLink(name, (End(*a), End(*b)), max(1, latency_ps), note, may_cut))


def _reached(machine: Machine, reached: Collection[str] | None) -> frozenset[str]:
    return frozenset(machine.memories if reached is None else reached)


def _peer_members(layout: Layout, used: Collection[str] | None) -> frozenset[str]:
    if layout.peer is None:
        return frozenset()
    return frozenset(layout.peer.members if used is None else used)


def _spoke(device: Device) -> Spoke:
    if device.spoke is None:
        raise InputError(f"device {device.name}", "links", Plain("none to the fabric"), "one")
    return device.spoke


def _router_name(fabric: Fabric) -> str:
    return f"{fabric.name}.router"


def _link_note(spoke: Spoke) -> str:
    return f"{spoke.name}: {spoke.bytes_per_s / 1e9:.1f} GB/s of payload each way"
