"""Machines built into graphs, and the graph printed twice: the same from every side."""

from __future__ import annotations

import json
import math

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst.emit import json_document, json_text, python_text
from moe_cosim.sim.engines.sst.graph import sizing
from moe_cosim.sim.engines.sst.graph.build import BuildOptions, build_graph
from moe_cosim.sim.engines.sst.graph.devices import find_layout
from moe_cosim.sim.engines.sst.graph.graph import Component, Graph
from moe_cosim.sim.engines.sst.graph.ports import SHORTEST_CUT_PS
from tests.sim.engines.sst.machines import GB_PER_S, Parts, linked_pair, one_device, switched
from tests.sim.engines.sst.recording import Recorder

CATALOGUE = ["h100-cxl-ndp", "h100-cxl-ndp-4", "h100-host", "a100-monde", "h100-cxl-memory", "h100-amx-dimm-ndp"]


def machine_of(name: str) -> Machine:
    made = {"one": one_device, "pair": linked_pair, "switched": switched, "gpus": lambda: switched(1, 2)}
    return made[name]() if name in made else build_machine(name, Assumptions())


def component(graph: Graph, name: str) -> Component:
    return next(found for found in graph.components if found.name == name)


@pytest.mark.parametrize("name", ["one", "pair", "switched", "gpus", *CATALOGUE])
@pytest.mark.parametrize("line_bytes", [64, 256, 4096])
def test_python_json_and_object_say_the_same(name: str, line_bytes: int) -> None:
    graph = build_graph(machine_of(name), BuildOptions(line_bytes, progress_events=3))
    executed = Recorder().execute(python_text(graph))
    assert executed == json_document(graph)
    assert json.loads(json_text(graph)) == json_document(graph)


@pytest.mark.parametrize("name", ["pair", "switched", "gpus", *CATALOGUE])
def test_only_links_between_devices_may_be_cut_and_they_are_long(name: str) -> None:
    """SST's threads and ranks wait for each other once in the shortest link that is cut."""
    graph = build_graph(machine_of(name), BuildOptions())
    sections = {part.name: part.section for part in graph.components}
    for link in graph.links:
        a, b = (sections[end.path.split(":")[0]] for end in link.ends)
        assert link.may_cut == (a != b and link.latency_ps >= SHORTEST_CUT_PS)
    if name == "h100-amx-dimm-ndp":  # its channels have no latency: counted in the DRAM
        assert graph.pieces() == 2  # all that the hub joins, and the peer router
    else:
        assert graph.pieces() >= len(set(sections.values()) - {"fabric"})


def test_json_keeps_the_order_and_types_that_sst_needs() -> None:
    document = json_document(build_graph(switched(), BuildOptions()))
    keys = list(document)
    assert keys.index("components") < keys.index("links")
    for entry in document["components"]:
        assert list(entry)[:2] == ["name", "type"]
        for child in entry.get("subcomponents", []):
            assert list(child)[:3] == ["slot_name", "slot_number", "type"]
            assert all(isinstance(value, str) for value in child["params"].values())
        assert all(isinstance(value, str) for value in entry["params"].values())


def test_the_python_configuration_reads_by_device() -> None:
    text = python_text(build_graph(machine_of("h100-cxl-ndp-4"), BuildOptions()))
    for device in ("gpu", "ndp0", "ndp3", "fabric"):
        assert f"# ---- {device} " in text
    assert "peak 3350.0 GB/s over 80 channels" in text
    assert sum(line.startswith("ndp2_core = ") for line in text.splitlines()) == 1


@pytest.mark.parametrize("name", CATALOGUE)
def test_one_way_latencies_are_the_machines(name: str) -> None:
    """From a core to each memory: the links and the router's two latencies, as in `Machine.path`."""
    machine = machine_of(name)
    graph = build_graph(machine, BuildOptions())
    routers = [part for part in graph.components if part.type == "merlin.hr_router"]
    across = sum(_ps(routers[0].parameters[key]) for key in ("input_latency", "output_latency")) if routers else 0
    leg = {end.path: link.latency_ps for link in graph.links for end in link.ends if link.name}
    layout = find_layout(machine)
    for unit in machine.units.values():
        device = layout.devices[layout.device_of_unit(unit.name)]
        for memory in machine.memory_list:
            home = layout.devices[layout.device_of_memory(memory.name)]
            if home is device:
                continue
            port = memory.name if len(home.memories) == 1 else home.name
            found = (
                leg[f"{device.name}.core:remote:lowlink"]
                + across
                + leg[f"{port}.port:highlink"]
                + leg[f"{port}.port"]
                + leg[f"{port}.turns"]
                + (leg[memory.name] if f"{home.name}.bus" in leg else 0)
            )
            assert found == machine.path(unit.name, memory.name).latency_ps


def _ps(text: object) -> int:
    return int(str(text).removesuffix("ps"))


@pytest.mark.parametrize("line_bytes", sizing.LINE_SIZES)
@pytest.mark.parametrize("rate", [1e9, 32e9, 64e9, 900e9])
def test_the_payload_rate_is_the_links_at_every_line_size(rate: float, line_bytes: int) -> None:
    share = line_bytes / sizing.packet_bytes(line_bytes)
    assert math.isclose(sizing.raw_bytes_per_s(rate, line_bytes) * share, rate, rel_tol=1e-8)
    assert sizing.packet_bytes(line_bytes) % sizing.FLIT_BYTES == 0


@pytest.mark.parametrize("line_bytes", sizing.LINE_SIZES)
@pytest.mark.parametrize("loop_ps", [1, 100_000, 1_000_000])
def test_buffers_cover_the_credit_loop_and_four_packets(line_bytes: int, loop_ps: int) -> None:
    size = sizing.buffer_bytes(64e9, loop_ps, line_bytes)
    assert size >= 64e9 * loop_ps * 1e-12
    assert size >= 4 * sizing.packet_bytes(line_bytes)


def test_ports_carry_each_devices_own_link() -> None:
    machine = (
        Parts()
        .switch()
        .device("gpu")
        .join("gpu.hub", "cxl.ports", 64 * GB_PER_S)
        .device("ndp")
        .join("ndp.hub", "cxl.ports", 16 * GB_PER_S)
        .machine()
    )
    graph = build_graph(machine, BuildOptions(64))
    nics = {path: part.parameters for path, part in graph.parts() if part.type == "memHierarchy.MemNIC"}
    slow = {nic["network_bw"] for path, nic in nics.items() if path.startswith("ndp.")}
    assert slow == {f"{sizing.raw_bytes_per_s(16 * GB_PER_S, 64)}B/s"}
    router = component(graph, "cxl.ports.router")
    assert router.parameters["link_bw"] == f"{sizing.raw_bytes_per_s(64 * GB_PER_S, 64)}B/s"


def test_a_memory_that_nobody_reaches_has_no_port_and_no_bus() -> None:
    reached = build_graph(switched(1), BuildOptions(reached={"ndp0.dram"}))
    names = {part.name for part in reached.components}
    assert {"ndp0.dram.port", "ndp0.bus", "gpu0.core"} <= names
    assert not {"gpu0.dram.port", "gpu0.bus"} & names
    alone = build_graph(switched(1), BuildOptions(reached=()))
    assert not any(part.type == "merlin.hr_router" for part in alone.components)


@pytest.mark.parametrize(
    ("machine", "line_bytes", "named"),
    [
        (lambda: one_device(), 100, ["line_size", "100"]),
        (lambda: one_device(), 32, ["line_size", "32"]),
        (lambda: one_device(), 8192, ["line_size", "8192"]),
        (lambda: one_device(interleave_bytes=192), 256, ["line_size", "gpu.dram", "192"]),
        (lambda: one_device(window_bytes=128), 256, ["line_size", "gpu.core", "128"]),
    ],
)
def test_machines_that_sst_cannot_take_are_refused(machine: object, line_bytes: int, named: list[str]) -> None:
    with pytest.raises(InputError) as raised:
        build_graph(machine(), BuildOptions(line_bytes))  # type: ignore[operator]
    for word in named:
        assert word in str(raised.value)
