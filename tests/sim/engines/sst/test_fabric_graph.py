"""Fabrics of several routers as SST graphs: every link once, tables that lead everywhere, rates and latencies kept."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst.graph import sizing
from moe_cosim.sim.engines.sst.graph.build import BuildOptions, build_graph
from moe_cosim.sim.engines.sst.graph.devices import find_layout
from moe_cosim.sim.engines.sst.graph.graph import Component, Graph
from tests.sim.engines.sst.machines import GB_PER_S, Parts


def chain() -> Machine:
    """Device - device - device, and one at a switch behind the last: no device has the middle of them."""
    made = Parts().switch("far.ports", rate=20 * GB_PER_S)
    for name in ("a", "b", "c", "d"):
        made.device(name)
    made.join("a.hub", "b.hub").join("b.hub", "c.hub", 16 * GB_PER_S)
    return made.join("c.hub", "far.ports").join("far.ports", "d.hub").machine()


def machine_of(name: str) -> Machine:
    return chain() if name == "chain" else build_machine(name, Assumptions())


MACHINES = ["chain", "h100-cxl-ndp-16-spine", "h100-host-two-headed"]


def routers(graph: Graph) -> dict[str, Component]:
    return {part.name: part for part in graph.components if part.type == "merlin.hr_router"}


def numbers(text: object) -> list[int]:
    return [int(number) for number in re.findall(r"-?\d+", str(text))]


def at_port(graph: Graph) -> dict[tuple[str, int], tuple[str, str]]:
    """Router and port to what a link joins with it."""
    found = {}
    for link in graph.links:
        for end, other in (link.ends, link.ends[::-1]):
            if end.path in routers(graph):
                found[end.path, int(end.port.removeprefix("port"))] = (other.path, other.port)
    return found


@pytest.mark.parametrize("name", MACHINES)
def test_every_table_leads_to_every_endpoint_along_the_machines_way(name: str) -> None:
    machine = machine_of(name)
    graph, layout = build_graph(machine, BuildOptions()), find_layout(machine)
    nodes = {router.name: router.node for router in layout.routers}
    tables = {key: router.children[0].parameters for key, router in routers(graph).items()}
    beside = at_port(graph)
    count = len(numbers(next(iter(tables.values()))["routes"]))
    homes = {e: r for r, table in tables.items() for e in numbers(table["endpoints"]) if e >= 0}
    assert sorted(homes) == list(range(count))
    for start in tables:
        for endpoint, home in homes.items():
            here, crossed = start, [nodes[start]]
            while here != home:
                here = beside[here, numbers(tables[here]["routes"])[endpoint]][0]
                crossed.append(nodes[here])
                assert len(crossed) <= len(tables)
            assert crossed == [node for node in machine.way(nodes[start], nodes[home]) if node in nodes.values()]
            port = numbers(tables[here]["routes"])[endpoint]
            assert numbers(tables[here]["endpoints"])[port] == endpoint


@pytest.mark.parametrize("name", MACHINES)
def test_every_rated_link_between_routers_is_one_trunk_of_its_rate_and_latency(name: str) -> None:
    machine = machine_of(name)
    graph, layout = build_graph(machine, BuildOptions()), find_layout(machine)
    found = routers(graph)
    between = [link for link in graph.links if all(end.path in found for end in link.ends)]
    assert len(between) == len(layout.trunks)
    used = Counter(trunk.name for trunk in layout.trunks) + Counter(
        device.spoke.name for device in layout.devices if device.spoke and device.spoke.name in machine.links
    )
    rated = [link.name for link in machine.links.values() if link.bytes_per_s < float("inf")]
    assert used == Counter(rated)
    for link, trunk in zip(between, layout.trunks, strict=True):
        assert link.latency_ps == machine.links[trunk.name].latency_ps
        for end in link.ends:
            rate = sizing.raw_bytes_per_s(machine.links[trunk.name].bytes_per_s, 256)
            assert found[end.path].parameters[f"link_bw:{end.port}"] == f"{rate}B/s"


@pytest.mark.parametrize("name", MACHINES)
def test_a_broadcast_reaches_every_router_once(name: str) -> None:
    graph = build_graph(machine_of(name), BuildOptions())
    flood = {key: numbers(router.children[0].parameters["flood"]) for key, router in routers(graph).items()}
    beside = at_port(graph)
    for start in flood:
        reached, ahead = Counter([start]), [(start, "")]
        while ahead:
            here, came_from = ahead.pop()
            for other in (beside[here, port][0] for port in flood[here]):
                if other != came_from:
                    reached[other] += 1
                    assert reached[other] == 1
                    ahead.append((other, here))
        assert set(reached) == set(flood)


def test_a_switch_with_a_rate_shares_it_and_no_port_of_it_is_faster() -> None:
    router = routers(build_graph(chain(), BuildOptions()))["far.ports.router"]
    rate = f"{sizing.raw_bytes_per_s(20 * GB_PER_S, 256)}B/s"
    assert router.parameters["xbar_arb"] == "moecosim.SharedCrossbar"
    assert router.parameters["xbar_bw"] == router.parameters["link_bw"] == rate


def test_parts_at_different_distances_are_plugged_one_by_one() -> None:
    machine = Parts().device("a").device("b").join("a.hub", "b.hub", float("inf")).machine()
    layout = find_layout(machine)
    assert {device.name for device in layout.devices} == {"a.core", "a.dram", "b.core", "b.dram"}
    for device in layout.devices:
        assert device.spoke is not None
        assert max(device.spoke.unit_leg_ps, device.spoke.memory_leg_ps) == 10_000


def test_peer_fabrics_are_a_router_each_and_one_without_a_rate_has_more_than_its_memories() -> None:
    made = Parts().switch()
    for name in ("a", "b", "c"):
        made.device(name).join(f"{name}.hub", "cxl.ports")
    made.join_peers(["a.dram", "b.dram"]).join_peers(["b.dram", "c.dram"], float("inf"), "second")
    graph = build_graph(made.machine(), BuildOptions())
    assert {"link.router", "second.router"} <= set(routers(graph))
    core = next(part for part in graph.components if part.name == "b.core")
    assert core.parameters["peer_fabrics"] == "[0, 0, 1, 1]"
    assert numbers(core.parameters["peer_own"]) == [1, 2]
    rates = [int(rate) for rate in re.findall(r"(\d+)B/s", str(core.parameters["peer_bandwidths"]))]
    assert rates == [25 * GB_PER_S, 200 * GB_PER_S]
