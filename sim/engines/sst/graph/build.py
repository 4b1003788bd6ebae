"""A machine built into an SST graph: devices, the routers they are plugged to, peer fabrics, a hub for signals.

Per device: a stream core replays its lanes; each memory is a controller with a back end. Where other devices reach its
memories, a directory stands between router and memories and a bus joins it with the core; otherwise core and memory
are linked directly.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.components import Memory
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst.graph import flits, ports, sizing
from moe_cosim.sim.engines.sst.graph.check import check_graph
from moe_cosim.sim.engines.sst.graph.devices import Device, Layout, Spoke, find_layout
from moe_cosim.sim.engines.sst.graph.graph import Component, Graph, GraphLink, Statistic, SubComponent, Value
from moe_cosim.sim.engines.sst.graph.memories import MemoryTiming, memory_controller
from moe_cosim.sim.engines.sst.graph.network import Network
from moe_cosim.sim.engines.sst.graph.peers import Member, Peers

_CORE_STATISTICS: Final = ("finished", "finish_time", "events", "requests", "read_bytes", "written_bytes")

TIME_BASE: Final = "1fs"
"""merlin rounds the time of a flit to whole time bases: at SST's default, 1 ps, that costs a link percents."""

LONGEST: Final = "18000s"
"""5 hours of simulated time: SST counts time bases in 64 bits."""


@dataclass(frozen=True)
class BuildOptions:
    """What of a machine is built, and how finely."""

    line_bytes: int = sizing.DEFAULT_LINE_BYTES
    reached: Collection[str] | None = None
    """Memories that units of other devices use; None: all of them."""
    peers: Collection[tuple[str, str]] | None = None
    """(peer fabric, memory) of copies over peer fabrics; None: all members of all."""
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
        self.reached = frozenset(machine.memories if options.reached is None else options.reached)
        self.components: list[Component] = []
        self.links: list[GraphLink] = []
        self.network = Network(machine, layout, line_bytes)
        self.peers = Peers(machine, options.peers, line_bytes)

    def graph(self) -> Graph:
        cores = [device for device in self.layout.devices if device.units]
        for number, device in enumerate(self.layout.devices):
            self._add_device(number, device, len(cores) > 1)
        if len(cores) > 1:
            self._add_hub(cores)
        routers, trunks = self.network.parts()
        self.components += [*routers, *self.peers.routers(len(routers))]
        self.links += trunks
        title = f"{self.machine.name}: {self.machine.title}" if self.machine.title else self.machine.name
        graph = Graph(title, tuple(self.components), tuple(self.links), {"timebase": TIME_BASE, "stop-at": LONGEST})
        check_graph(graph)
        return graph

    # -- devices ----------------------------------------------------------------------------

    def _add_device(self, number: int, device: Device, has_hub: bool) -> None:
        name = device.name
        outside = self._outside(device)
        reached = [m for m in device.memories if m.name in self.reached and device.spoke]
        peers = self.peers.of(device)
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
        used = device.memories if device.units else self._used(reached, peers)
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
        for index, member in enumerate(peers):
            self._add_peer(device, member, f"highlink{above + bool(reached) + index}")

    @staticmethod
    def _used(reached: Sequence[Memory], peers: Sequence[Member]) -> list[Memory]:
        """Memories that somebody reaches, each once."""
        return list({memory.name: memory for memory in (*reached, *(member.memory for member in peers))}.values())

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
        own_peers = self.peers.of(device)
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
            remote = flits.port_path(f"{name}.core:remote:lowlink", nic)
        if own_peers:
            parameters |= self.peers.core_parameters(own_peers)
            for index, member in enumerate(own_peers):
                nic = self.peers.nic("lowlink", ports.CORE_GROUP, member)
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
            self._link_to_router(device.spoke, remote, device.spoke.unit_leg_ps, "requests")
        for index, member in enumerate(own_peers):
            slot = "peer" + (f"[{index}]" if index else "")
            self.links.append(self.peers.plug(f"{core}:{slot}:lowlink", member, member.legs_ps[0], "requests"))

    def _add_directory(
        self, device: Device, memories: Sequence[Memory], upper: tuple[str, str], through_bus: bool
    ) -> None:
        spoke = _spoke(device)
        turn = f"{memories[0].name if len(memories) == 1 else device.name}.turns"
        where = memories[0].name if len(memories) == 1 else device.name
        name = f"{where}.port"
        addresses = ports.span(memories)
        nic_ps = spoke.memory_leg_ps - ports.ARBITER_PS
        if through_bus:
            nic_ps -= self._last_leg_ps(device)
        nic = self._spoke_nic("highlink", spoke, ports.MEMORY_GROUP, nic_ps)
        names = " and ".join(memory.name for memory in memories)
        note = f"where other devices reach {names}; {_link_note(spoke)}"
        self.components.append(ports.directory(name, addresses, nic, self.line_bytes, device.name, note))
        self._add_arbiter(device, turn, (name, "lowlink"), upper, spoke.bytes_per_s)
        self._link_to_router(spoke, flits.port_path(f"{name}:highlink", nic), nic_ps, "memory")

    def _add_arbiter(
        self, device: Device, name: str, upper: tuple[str, str], lower: tuple[str, str], bytes_per_s: float
    ) -> None:
        self.components.append(ports.arbiter(name, bytes_per_s, device.name))
        self._link(f"{name}-outside", upper, (name, "outside"), 1)
        self._link(f"{name}-inside", (name, "inside"), lower, 1)

    # -- fabrics ----------------------------------------------------------------------------

    def _spoke_nic(self, slot: str, spoke: Spoke, group: int, link_ps: int) -> SubComponent:
        loop_ps = 2 * max(link_ps, 1) + self.layout.router(spoke.router).latency_ps
        nic = ports.nic(slot, spoke.bytes_per_s, group, loop_ps, self.line_bytes)
        on_link = sum(bool(device.spoke and device.spoke.name == spoke.name) for device in self.layout.devices)
        return flits.with_flits(nic, self.machine.links.get(spoke.name), on_link, link_ps)

    def _link_to_router(self, spoke: Spoke, path: str, latency_ps: int, role: str) -> None:
        self._link(
            f"{spoke.name}.{path.split(':')[0]}",
            (path, "port"),
            self.network.plug(spoke),
            latency_ps,
            f"{role}; {_link_note(spoke)}",
            may_cut=True,
        )

    def _add_peer(self, device: Device, member: Member, port: str) -> None:
        addresses = ports.span([member.memory])
        nic = self.peers.nic("highlink", ports.MEMORY_GROUP, member)
        note = f"where its peers reach {member.memory.name}"
        self.components.append(ports.directory(member.name, addresses, nic, self.line_bytes, device.name, note))
        lower = (f"{device.name}.bus", port)
        turns = f"{member.name}-turns"
        self._add_arbiter(device, turns, (member.name, "lowlink"), lower, member.fabric.bytes_per_s)
        leg_ps = max(1, member.legs_ps[1] - ports.ARBITER_PS - self._last_leg_ps(device))
        self.links.append(self.peers.plug(f"{member.name}:highlink", member, leg_ps, "memory"))

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
        self.links.append(ports.link(name, a, b, latency_ps, note, may_cut))


def _spoke(device: Device) -> Spoke:
    if device.spoke is None:
        raise InputError(f"device {device.name}", "links", Plain("none to the fabric"), "one")
    return device.spoke


def _link_note(spoke: Spoke) -> str:
    return f"{spoke.name}: {spoke.bytes_per_s / 1e9:.1f} GB/s of payload each way"
