"""The routers that devices are plugged to, and the trunks between them: static routing along the machine's ways."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst.graph import ports, sizing
from moe_cosim.sim.engines.sst.graph.devices import Layout, Router, Spoke, Trunk
from moe_cosim.sim.engines.sst.graph.graph import Component, GraphLink, SubComponent, Value


@dataclass(frozen=True)
class _Endpoint:
    """A network interface; its number is its place among all."""

    router: str
    port: int


class Network:
    """Collects what is plugged, then makes the routers."""

    def __init__(self, machine: Machine, layout: Layout, line_bytes: int) -> None:
        self._machine = machine
        self._layout = layout
        self._line_bytes = line_bytes
        self._endpoints: list[_Endpoint] = []
        self._ports = {router.name: 0 for router in layout.routers}
        self._spokes: dict[str, list[Spoke]] = {router.name: [] for router in layout.routers}

    def plug(self, spoke: Spoke) -> tuple[str, str]:
        """Component and port for a network interface of that device."""
        number = self._take_port(spoke.router)
        self._endpoints.append(_Endpoint(spoke.router, number))
        self._spokes[spoke.router].append(spoke)
        return spoke.router, f"port{number}"

    def parts(self) -> tuple[list[Component], list[GraphLink]]:
        """Routers and trunks; none where nothing was plugged."""
        if not self._endpoints:
            return [], []
        if len(self._layout.routers) == 1:
            (router,) = self._layout.routers
            return [self._router(0, router, {}, SubComponent("topology", "merlin.singlerouter"))], []
        links, trunk_ports = [], dict[str, dict[str, int]]()
        for trunk in self._layout.trunks:
            ends = [self._at(node).name for node in trunk.nodes]
            taken = [self._take_port(name) for name in ends]
            trunk_ports[trunk.name] = dict(zip(ends, taken, strict=True))
            a, b = ((name, f"port{number}") for name, number in zip(ends, taken, strict=True))
            note = f"trunk; {trunk.bytes_per_s / 1e9:.1f} GB/s of payload each way"
            links.append(ports.link(trunk.name, a, b, trunk.latency_ps, note, may_cut=True))
        flooded = self._flooded()
        routers = [
            self._router(
                number,
                router,
                {trunk: at[router.name] for trunk, at in trunk_ports.items() if router.name in at},
                self._topology(router, trunk_ports, flooded),
            )
            for number, router in enumerate(self._layout.routers)
        ]
        return routers, links

    def _take_port(self, router: str) -> int:
        self._ports[router] += 1
        return self._ports[router] - 1

    def _at(self, node: str) -> Router:
        return next(router for router in self._layout.routers if router.node == node)

    def _flooded(self) -> set[str]:
        """Trunks that join all routers without a circle: broadcasts go over them."""
        graph = nx.Graph()
        for trunk in self._layout.trunks:
            graph.add_edge(*trunk.nodes, trunk=trunk.name)
        return {trunk for _, _, trunk in nx.minimum_spanning_tree(graph).edges(data="trunk")}

    def _topology(self, router: Router, trunk_ports: dict[str, dict[str, int]], flooded: set[str]) -> SubComponent:
        here = {trunk: at[router.name] for trunk, at in trunk_ports.items() if router.name in at}
        endpoints = [-1] * self._ports[router.name]
        routes = []
        for number, endpoint in enumerate(self._endpoints):
            if endpoint.router == router.name:
                endpoints[endpoint.port] = number
                routes.append(endpoint.port)
            else:
                routes.append(here[self._first_trunk(router, endpoint.router)])
        parameters: dict[str, Value] = {
            "endpoints": ports.array(endpoints),
            "routes": ports.array(routes),
            "flood": ports.array([port for trunk, port in here.items() if trunk in flooded]),
        }
        return SubComponent("topology", "moecosim.TableTopology", parameters)

    def _first_trunk(self, router: Router, towards: str) -> str:
        """On the way that the machine says data takes."""
        way = self._machine.way(router.node, self._layout.router(towards).node)
        step = {way[0], way[1]}
        return next(trunk.name for trunk in self._layout.trunks if set(trunk.nodes) == step)

    def _router(self, number: int, router: Router, trunks: dict[str, int], topology: SubComponent) -> Component:
        spokes = self._spokes[router.name]
        own = [trunk for trunk in self._layout.trunks if trunk.name in trunks]
        rate = self._raw(max([*(spoke.bytes_per_s for spoke in spokes), *(trunk.bytes_per_s for trunk in own)]))
        longest = max((max(spoke.unit_leg_ps, spoke.memory_leg_ps) for spoke in spokes), default=0)
        made = ports.Ports(self._ports[router.name], rate, 2 * longest + router.latency_ps)
        shared = self._raw(router.bytes_per_s) if np.isfinite(router.bytes_per_s) else None
        beside = {trunks[trunk.name]: self._trunk_port(router, trunk) for trunk in own}
        limits = "each limited by its own end" if shared is None else f"{router.bytes_per_s / 1e9:.1f} GB/s in all"
        note = f"{router.latency_ps / 1000:.0f} ns; {made.count} ports, {limits}"
        return ports.router(
            router.name, number, made, router.latency_ps, self._line_bytes, note, topology, shared, beside
        )

    def _trunk_port(self, router: Router, trunk: Trunk) -> tuple[int, int]:
        """Rate, headers included, and credit loop of the port where the trunk is."""
        other = next(self._at(node) for node in trunk.nodes if node != router.node)
        return self._raw(trunk.bytes_per_s), 2 * trunk.latency_ps + router.latency_ps + other.latency_ps

    def _raw(self, bytes_per_s: float) -> int:
        return sizing.raw_bytes_per_s(bytes_per_s, self._line_bytes)
