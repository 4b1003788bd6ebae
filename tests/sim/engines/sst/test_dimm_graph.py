"""Modules on a host's channels as an SST graph: which parts make a device, one port a channel, the peer fabric."""

from __future__ import annotations

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst.graph import sizing
from moe_cosim.sim.engines.sst.graph.build import BuildOptions, build_graph
from moe_cosim.sim.engines.sst.graph.devices import find_layout
from moe_cosim.sim.engines.sst.graph.graph import Component, Graph
from moe_cosim.sim.engines.sst.graph.traffic import copies_between_others, peer_memories, reached_memories
from moe_cosim.workloads.programs.builder import ProgramBuilder

DIMM_LINK = 25_000_000_000


@pytest.fixture(scope="module")
def machine() -> Machine:
    return build_machine("h100-amx-dimm-ndp", Assumptions())


@pytest.fixture(scope="module")
def graph(machine: Machine) -> Graph:
    return build_graph(machine, BuildOptions(256))


@pytest.fixture(scope="module")
def channel(machine: Machine) -> float:
    """Payload bytes/s of one: the measured share of its peak."""
    return machine.links["channel3"].bytes_per_s


def component(graph: Graph, name: str) -> Component:
    return next(found for found in graph.components if found.name == name)


def linked(graph: Graph, name: str) -> set[str]:
    """Components that a link joins with `name`."""
    pairs = [[end.path.split(":")[0] for end in link.ends] for link in graph.links]
    return {other for pair in pairs if name in pair for other in pair if other != name}


def test_devices_are_the_gpu_the_host_and_the_channels_with_two_modules_each(machine: Machine, channel: float) -> None:
    layout = find_layout(machine)
    assert [router.node for router in layout.routers] == ["host.hub"]
    assert {device.name for device in layout.devices} == {"gpu", "host", *(f"channel{k}" for k in range(8))}
    third = next(device for device in layout.devices if device.name == "channel3")
    assert [m.name for m in third.memories] == ["dimm6.dram", "dimm7.dram"]
    assert {u.name for u in third.units} == {"dimm6.core", "dimm6.link", "dimm7.core", "dimm7.link"}
    assert third.spoke is not None
    assert third.spoke.bytes_per_s == channel


def test_no_rate_limits_the_parts_at_the_hub_itself(machine: Machine, channel: float) -> None:
    host = next(device for device in find_layout(machine).devices if device.name == "host")
    assert host.spoke is not None
    assert host.spoke.bytes_per_s >= 8 * channel + 64e9
    assert (host.local_ps, host.spoke.unit_leg_ps) == (20_000, 10_000)


def test_a_channel_has_one_port_for_both_its_modules(graph: Graph, machine: Machine, channel: float) -> None:
    ports = [part for part in graph.components if part.name.startswith("channel3.port")]
    assert len(ports) == 1
    first, second = machine.memories["dimm6.dram"], machine.memories["dimm7.dram"]
    assert ports[0].parameters["addr_range_start"] == first.base_address
    assert ports[0].parameters["addr_range_end"] == second.base_address + second.capacity_bytes - 1
    assert ports[0].children[0].parameters["network_bw"] == f"{sizing.raw_bytes_per_s(channel, 256)}B/s"
    assert component(graph, "channel3.turns").parameters["bandwidth"] == f"{round(channel)}B/s"
    assert linked(graph, "channel3.turns") == {"channel3.port", "channel3.bus"}
    assert {"dimm6.dram", "dimm7.dram", "channel3.core"} <= linked(graph, "channel3.bus")


def test_every_module_has_its_own_two_ports_on_the_peer_fabric(graph: Graph) -> None:
    router = component(graph, "dimm-link.router")
    assert router.parameters["num_ports"] == 2 * 16
    assert router.parameters["link_bw"] == f"{sizing.raw_bytes_per_s(DIMM_LINK, 256)}B/s"
    core = component(graph, "channel3.core")
    assert [child.slot_number for child in core.children if child.slot == "peer"] == [0, 1]
    assert core.parameters["peer_own"] == "[6, 7]"
    assert core.parameters["peer_bandwidths"] == f"[{DIMM_LINK}B/s, {DIMM_LINK}B/s]"
    for dimm in ("dimm6", "dimm7"):
        assert linked(graph, f"{dimm}.dram.peer") == {"dimm-link.router", f"{dimm}.dram.peer-turns"}
        assert linked(graph, f"{dimm}.dram.peer-turns") == {f"{dimm}.dram.peer", "channel3.bus"}


def test_units_know_the_module_they_sit_on(graph: Graph, machine: Machine) -> None:
    text = str(component(graph, "channel3.core").parameters["peer_units"]).strip("[]")
    numbers = [int(number) for number in text.split(", ")]
    units = list(machine.units)
    beside = {units[unit]: member for unit, member in zip(numbers[::2], numbers[1::2], strict=True)}
    assert beside == {"dimm6.core": 6, "dimm6.link": 6, "dimm7.core": 7, "dimm7.link": 7}


def test_a_line_and_its_acknowledgement_cross_the_peer_fabric_in_its_latency(graph: Graph, machine: Machine) -> None:
    legs = {end.path: link.latency_ps for link in graph.links for end in link.ends}
    parts = ("channel3.core:peer[1]:lowlink", "dimm2.dram.peer:highlink", "dimm2.dram.peer", "dimm2.dram.peer-turns")
    one_way = sum(legs[part] for part in parts) + legs["dimm2.dram"]
    assert 2 * one_way == machine.peers["dimm-link"].latency_ps


def test_only_what_a_program_uses_is_on_the_peer_fabric(machine: Machine) -> None:
    builder = ProgramBuilder(machine)
    builder.copy("dimm3.link.copies", builder.read("dimm3.dram", 4096), builder.write("dimm12.dram", 4096))
    builder.copy("dimm3.link.copies", builder.read("dimm3.dram", 4096), builder.write("dimm3.dram", 4096, 1 << 20))
    builder.copy("gpu.dma.weights", builder.read("dimm9.dram", 4096), builder.write("gpu.hbm", 4096))
    program, layout = builder.build(), find_layout(machine)
    assert copies_between_others(machine, program, layout) == {}
    assert reached_memories(machine, program, layout) == {"dimm9.dram"}
    peers = peer_memories(machine, program, layout)
    assert peers == {("dimm-link", "dimm3.dram"), ("dimm-link", "dimm12.dram")}
    graph = build_graph(machine, BuildOptions(256, {"dimm9.dram"}, peers))
    assert component(graph, "dimm-link.router").parameters["num_ports"] == 4
    assert not any(part.name.startswith("dimm9.dram.peer") for part in graph.components)
    assert build_graph(machine, BuildOptions(256, {"dimm9.dram"}, ())).components[-1].name != "dimm-link.router"


def test_a_hub_with_a_rate_is_a_router_that_its_parts_share() -> None:
    """Also what the host's processor reads of its own memory crosses it."""
    machine = build_machine("rtx5080-dimm-ndp-4", Assumptions())
    layout = find_layout(machine)
    names = {"gpu", "host.cpu", "host.dram", "dimm0", "dimm1", "dimm2", "dimm3"}
    assert {device.name for device in layout.devices} == names
    graph = build_graph(machine, BuildOptions(256))
    router = component(graph, "host.hub.router")
    assert router.parameters["xbar_arb"] == "moecosim.SharedCrossbar"
    assert router.parameters["xbar_bw"] == f"{sizing.raw_bytes_per_s(89.6e9, 256)}B/s"
    free = build_machine("rtx5080-dimm-ndp-4", Assumptions(), {"devices.host.switch.rate": "unlimited"})
    assert "host" in {device.name for device in find_layout(free).devices}
    assert "xbar_arb" not in component(build_graph(free, BuildOptions(256)), "host.hub.router").parameters
