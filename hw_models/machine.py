"""The machine graph: a tree of units, memories, links and switches, with one address space.

Devices of several heads hang at the tree by more than one link (`moe_cosim.hw_models.ways` says which is taken), and
beside it there may be peer fabrics, which join memories directly.

An engine reads from it what transfers contend for (`resources`), which of them a transfer from one
node to another crosses (`path`), and which memory an address lies in (`memory_index`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.assumptions import Assumption
from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.components import DeviceFigures, Link, Memory, PeerFabric, Switch, Unit
from moe_cosim.hw_models.units.kinds import Role
from moe_cosim.hw_models.ways import Ways

if TYPE_CHECKING:
    import networkx

    from moe_cosim.hw_models.units.base import UnitModel


@dataclass(frozen=True)
class Resource:
    """Something transfers share: a memory's arrays or its port, one direction of a link or of a peer port, a
    switch's crossbar."""

    name: str
    kind: str
    """``memory``, ``link``, ``switch``, ``peer`` or ``port`` (of a memory with an internal peak)."""
    component: str
    """Name of the memory, link, switch or peer fabric it belongs to."""
    bytes_per_s: float
    """What it carries at most; for a memory and its port the peak, before the access pattern's efficiency."""


@dataclass(frozen=True)
class Path:
    """What lies between two nodes: indices into `Machine.resources` (memories excluded)."""

    resources: tuple[int, ...]
    latency_ps: int
    """One way, links and switches; memories' own latency excluded."""


class Machine:
    """A validated machine. Raises `InputError` when the parts do not form one connected tree (but for multi-headed
    devices)."""

    def __init__(
        self,
        name: str,
        units: Sequence[Unit],
        memories: Sequence[Memory],
        links: Sequence[Link],
        switches: Sequence[Switch],
        assumptions: Sequence[Assumption] = (),
        title: str = "",
        peers: Sequence[PeerFabric] = (),
        devices: Sequence[DeviceFigures] = (),
    ) -> None:
        self.name = name
        self.title = title
        self.units = {unit.name: unit for unit in units}
        self.memories = {memory.name: memory for memory in memories}
        self.links = {link.name: link for link in links}
        self.switches = {switch.name: switch for switch in switches}
        self.peers = {peer.name: peer for peer in peers}
        self.assumptions = tuple(assumptions)
        self.devices = tuple(devices)
        self._paths: dict[tuple[str, str], Path] = {}
        where = f"machine {name}"
        if len(self.links) != len(links):
            raise InputError(where, "links", Plain("a name twice"), "every link's name once")
        parts: Iterable[Unit | Memory | Switch] = (*units, *memories, *switches)
        self._ways = Ways((part.name for part in parts), links, switches, where)
        for unit in units:
            if unit.local_memory not in self.memories:
                raise InputError(where, f"units.{unit.name}.local_memory", unit.local_memory, self.memories)
        self._check_peers(peers)

    def with_models(self, models: Mapping[str, UnitModel | None]) -> Machine:
        """The same machine with other kernel times, by unit."""
        units = [replace(unit, model=models[unit.name]) for unit in self.units.values()]
        memories, links, switches = (
            list(self.memories.values()),
            list(self.links.values()),
            list(self.switches.values()),
        )
        peers = list(self.peers.values())
        return Machine(self.name, units, memories, links, switches, self.assumptions, self.title, peers, self.devices)

    @cached_property
    def graph(self) -> networkx.Graph:
        """The parts and links for networkx: nodes have their `part`, edges their `link`."""
        import networkx  # takes longer to import than a short run takes

        graph = networkx.Graph()
        parts: Iterable[Unit | Memory | Switch] = (
            *self.units.values(),
            *self.memories.values(),
            *self.switches.values(),
        )
        for part in parts:
            graph.add_node(part.name, part=part)
        for link in self.links.values():
            graph.add_edge(*link.ends, link=link)
        return graph

    def _check_peers(self, peers: Sequence[PeerFabric]) -> None:
        where = f"machine {self.name}"
        if len(self.peers) != len(peers):
            raise InputError(where, "peers", Plain("a name twice"), "every peer fabric's name once")
        joined: set[frozenset[str]] = set()
        for peer in peers:
            field = f"peers.{peer.name}"
            for member in peer.members:
                if member not in self.memories:
                    raise InputError(where, field, member, self.memories)
            if len(set(peer.members)) != len(peer.members) or len(peer.members) < 2:
                raise InputError(where, field, list(peer.members), "at least two memories, each once")
            pairs = {frozenset(pair) for pair in itertools.combinations(peer.members, 2)}
            if joined & pairs:
                raise InputError(where, field, Plain("two memories joined already"), "at most one fabric for a pair")
            joined |= pairs

    @cached_property
    def without_rates(self) -> tuple[object, ...]:
        """Names, places, sizes and kernel times: equal for machines that differ at most in the rates, latencies and
        efficiencies of memories, links, switches and peer fabrics, in units' windows, and in energies."""
        return (
            self.name,
            [replace(unit, window_bytes=0.0, energy=None) for unit in self.units.values()],
            [
                (
                    m.name,
                    m.kind,
                    m.capacity_bytes,
                    m.base_address,
                    m.channels,
                    m.interleave_bytes,
                    m.flash and m.flash.path,
                )
                for m in self.memories.values()
            ],
            [(link.name, link.ends) for link in self.links.values()],
            [(switch.name, switch.multi_headed) for switch in self.switches.values()],
            [(peer.name, peer.members) for peer in self.peers.values()],
        )

    # -- what transfers contend for ---------------------------------------------------------

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """Memories first (in order), then each link's two directions, switches, peer ports, and ports of memories.

        Only a memory with an internal peak has a port of its own here: else its peak is that of its port.
        """
        found = [Resource(m.name, "memory", m.name, m.array_bytes_per_s) for m in self.memories.values()]
        for link in self.links.values():
            a, b = link.ends
            found.append(Resource(f"{link.name}:{a}->{b}", "link", link.name, link.bytes_per_s))
            found.append(Resource(f"{link.name}:{b}->{a}", "link", link.name, link.bytes_per_s))
        for switch in self.switches.values():
            found.append(Resource(switch.name, "switch", switch.name, switch.bytes_per_s))
        for peer in self.peers.values():
            for member in peer.members:
                for way in ("out", "in"):
                    found.append(Resource(f"{peer.name}:{member}:{way}", "peer", peer.name, peer.bytes_per_s))
        for m in self.memories.values():
            if m.internal_peak_bytes_per_s is not None:
                found.append(Resource(f"{m.name}:port", "port", m.name, m.peak_bytes_per_s))
        return tuple(found)

    @cached_property
    def _resource_index(self) -> dict[str, int]:
        return {resource.name: index for index, resource in enumerate(self.resources)}

    def path(self, source: str, target: str) -> Path:
        """The way data takes from node `source` to node `target`. Unlimited resources are left out.

        Between two members of a peer fabric that is the fabric; all else goes through the tree, but for
        a unit inside a memory, which has nothing between. A memory with an internal peak is left and
        entered through its port.
        """
        key = (source, target)
        if key not in self._paths:
            self._paths[key] = self._find_path(source, target)
        return self._paths[key]

    def is_inside(self, unit: str, memory: str) -> bool:
        """Whether the unit sits inside that memory, and uses it at its internal peak."""
        return unit in self.units and self.units[unit].inside and self.units[unit].local_memory == memory

    def way(self, source: str, target: str) -> list[str]:
        """The parts from `source` to `target` over the links, both included; peer fabrics aside."""
        return self._ways.way(source, target)

    def links_between(self, source: str, target: str) -> list[Link]:
        """The links on the `way`."""
        return [self._ways.link(a, b) for a, b in itertools.pairwise(self._ways.way(source, target))]

    def bounce_memory(self, source: str, target: str) -> str | None:
        """The host memory by way of which a copy from flash memory `source` goes to `target`; None: straight.

        `InputError` where the path of the flash memory leads over the host, and the machine has no memory there.
        """
        flash = self.memories[source].flash
        if flash is None or flash.path == "direct" or self.memories[target].kind == "host":
            return None
        for name, memory in self.memories.items():
            if memory.kind == "host":
                return name
        allowed = "direct: the machine has no host memory"
        raise InputError(f"machine {self.name}", f"memories.{source}.path", "host", allowed)

    def is_at_hand(self, unit: str, memory: str) -> bool:
        """Whether nothing limits the rate between the two but the memory itself: they are parts of one device."""
        return not self.path(memory, unit).resources and not self.path(unit, memory).resources

    def round_trip_ps(self, unit: str, memory: str, writes: bool = False) -> int:
        """Unloaded: from `unit` to `memory`, one access, and back."""
        there, back = self.path(unit, memory), self.path(memory, unit)
        return there.latency_ps + self.memories[memory].first_byte_ps(writes) + back.latency_ps

    def copy_latency_ps(self, unit: str, source: str, target: str) -> int:
        """Unloaded: from the engine's request for a line at `source` to the acknowledgement from `target`.

        The engine takes a line in and sends it out: two round trips. Between members of a peer
        fabric the line goes straight over that.
        """
        if any(source != target and {source, target} <= set(peer.members) for peer in self.peers.values()):
            ends = self.memories[source].latency_ps + self.memories[target].first_byte_ps(writes=True)
            way = self.path(unit, source).latency_ps + self.path(source, target).latency_ps
            return way + ends + self.path(target, unit).latency_ps
        return self.round_trip_ps(unit, source) + self.round_trip_ps(unit, target, writes=True)

    def _find_path(self, source: str, target: str) -> Path:
        if self.is_inside(source, target) or self.is_inside(target, source):
            return Path((), 0)
        ports = [self._resource_index.get(f"{end}:port") for end in dict.fromkeys((source, target))]
        between = self._between(source, target)
        return Path((*(port for port in ports if port is not None), *between.resources), between.latency_ps)

    def _between(self, source: str, target: str) -> Path:
        """As `path`, without the memories' own ports."""
        for peer in self.peers.values():
            if source != target and source in peer.members and target in peer.members:
                ports = (f"{peer.name}:{source}:out", f"{peer.name}:{target}:in")
                crossed_ports = tuple(self._resource_index[port] for port in ports)
                return Path(crossed_ports if np.isfinite(peer.bytes_per_s) else (), peer.latency_ps)
        nodes = self._ways.way(source, target)
        crossed: list[int] = []
        latency_ps = 0
        for a, b in itertools.pairwise(nodes):
            link = self._ways.link(a, b)
            crossed.append(self._resource_index[f"{link.name}:{a}->{b}"])
            latency_ps += link.latency_ps
        for node in nodes[1:-1]:
            if node in self.switches:
                crossed.append(self._resource_index[node])
                latency_ps += self.switches[node].latency_ps
        finite = tuple(index for index in crossed if np.isfinite(self.resources[index].bytes_per_s))
        return Path(finite, latency_ps)

    # -- addresses --------------------------------------------------------------------------

    @cached_property
    def memory_list(self) -> tuple[Memory, ...]:
        """Memories in the order of the description; their place here is their index everywhere."""
        return tuple(self.memories.values())

    @cached_property
    def _memory_ranges(self) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint64]]:
        """Memories by address: index into `memory_list`, first address, and the one behind the last."""
        order = np.argsort([m.base_address for m in self.memory_list], kind="stable")
        bases = np.array([self.memory_list[i].base_address for i in order], dtype=np.uint64)
        ends = [self.memory_list[i].base_address + self.memory_list[i].capacity_bytes for i in order]
        return order, bases, np.array(ends, dtype=np.uint64)

    def memory_index(self, addresses: ArrayLike) -> NDArray[np.int64]:
        """Index into `memory_list` of each address, in the shape of `addresses`; -1 where no memory lies."""
        where = np.asarray(addresses, dtype=np.uint64)
        order, bases, ends = self._memory_ranges
        slot = np.searchsorted(bases, where, side="right") - 1
        inside = (slot >= 0) & (where < ends[np.maximum(slot, 0)])
        return np.where(inside, order[np.maximum(slot, 0)], -1)

    # -- parts by what they are -------------------------------------------------------------

    @cached_property
    def main_units(self) -> tuple[Unit, ...]:
        """What computes the dense part: the GPUs; the only CPU of a machine without one."""
        if self.has_gpu or len(self.host_units) != 1:
            return self._in_role(Role.MAIN)
        return self.host_units

    @property
    def main_unit(self) -> Unit:
        """A machine that programs are lowered to has one (`machine_of`)."""
        return self.main_units[0]

    @cached_property
    def has_gpu(self) -> bool:
        """Whether a unit has the role of a GPU; without, the only CPU does what a GPU does."""
        return bool(self._in_role(Role.MAIN))

    @cached_property
    def near_data_units(self) -> tuple[Unit, ...]:
        """Units that compute from the memory beside them alone, in the order of the description."""
        return self._in_role(Role.NEAR_DATA)

    @cached_property
    def host_units(self) -> tuple[Unit, ...]:
        """Units of the host's cores, a socket each or all as one, in the order of the description."""
        return self._in_role(Role.HOST)

    @cached_property
    def copy_units(self) -> tuple[Unit, ...]:
        """Copy engines, in the order of the description."""
        return self._in_role(Role.COPY)

    def _in_role(self, role: Role) -> tuple[Unit, ...]:
        return tuple(unit for unit in self.units.values() if unit.role == role)

    @cached_property
    def lanes(self) -> tuple[tuple[str, str], ...]:
        """(unit name, lane name) of every lane; a program's lane ids index this tuple."""
        return tuple((unit.name, lane) for unit in self.units.values() for lane in unit.lanes)

    def lane_id(self, unit: str, lane: str) -> int:
        """Index into `lanes`. Raises `ValueError` for a lane that there is none of."""
        return self.lanes.index((unit, lane))
