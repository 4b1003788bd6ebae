"""The catalogue and the checking of graphs: what SST would swallow silently must be an error."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.engines.sst.graph.catalogue import shipped_catalogue
from moe_cosim.sim.engines.sst.graph.check import check_graph
from moe_cosim.sim.engines.sst.graph.graph import Component, End, Graph, GraphLink, Statistic, SubComponent
from moe_cosim.sim.engines.sst.graph.sst_info import read_sst_info

CONTROLLER = Component(
    "dram",
    "memHierarchy.MemController",
    {"clock": "1GHz"},
    (SubComponent("backend", "memHierarchy.simpleMem", {"mem_size": "1GiB"}),),
)
CORE = Component(
    "core",
    "moecosim.StreamCore",
    {"stream": "a", "timeline": "b", "id": 0},
    (SubComponent("local", "memHierarchy.standardInterface"),),
    (Statistic("finished"),),
)
WIRE = GraphLink("wire", (End("core:local", "lowlink"), End("dram", "highlink")), 10)
GOOD = Graph("good", (CORE, CONTROLLER), (WIRE,))


def with_core(**changes: object) -> Graph:
    return replace(GOOD, components=(replace(CORE, **changes), CONTROLLER))


def with_link(**changes: object) -> Graph:
    return replace(GOOD, links=(replace(WIRE, **changes),))


def test_a_good_graph_passes() -> None:
    check_graph(GOOD)


@pytest.mark.parametrize(
    ("graph", "named"),
    [
        (with_core(type="moecosim.StreamCor"), ["core", "type", "StreamCor'", "did you mean 'moecosim.StreamCore'"]),
        (with_core(type="memHierarchy.MemNIC"), ["core", "a SubComponent", "a Component"]),
        (
            with_core(parameters={**CORE.parameters, "line_byte": 64}),
            ["core", "parameter", "'line_byte'", "did you mean 'line_bytes'"],
        ),
        (with_core(parameters={"stream": "a", "id": 0}), ["core", "parameter timeline", "nothing"]),
        (
            with_core(children=(SubComponent("locl", "memHierarchy.standardInterface"),)),
            ["core", "slot", "'locl'", "did you mean 'local'"],
        ),
        (with_core(children=CORE.children * 2), ["core", "slot local", "number 0 twice"]),
        (
            with_core(children=(SubComponent("local", "memHierarchy.standardInterface", {"portt": "x"}),)),
            ["core:local", "parameter", "'portt'", "did you mean 'port'"],
        ),
        (with_core(statistics=(Statistic("finishd"),)), ["core", "statistic", "did you mean 'finished'"]),
        (with_link(ends=(WIRE.ends[0], End("dram", "hihlink"))), ["wire", "dram", "port", "did you mean 'highlink'"]),
        (with_link(ends=(WIRE.ends[0], End("dran", "highlink"))), ["wire", "end", "'dran'", "did you mean 'dram'"]),
        (with_link(ends=(WIRE.ends[0], WIRE.ends[0])), ["wire", "free port"]),
        (with_link(latency_ps=0), ["wire", "latency_ps", "at least 1"]),
        (replace(GOOD, links=()), ["core", "links", "none"]),
        (replace(GOOD, links=(WIRE, replace(WIRE, name="again"))), ["again", "free port", "wire"]),
        (replace(GOOD, components=(CORE, CORE, CONTROLLER)), ["component name", "'core'", "once"]),
        (replace(GOOD, links=(WIRE, WIRE)), ["link name", "'wire'", "once"]),
    ],
)
def test_what_sst_would_ignore_is_refused_by_name(graph: Graph, named: list[str]) -> None:
    with pytest.raises(InputError) as raised:
        check_graph(graph)
    for word in named:
        assert word in str(raised.value)


def test_scoped_and_numbered_names_are_legal() -> None:
    catalogue = shipped_catalogue()
    dram = catalogue.find("memHierarchy.timingDRAM", "test")
    assert dram.has_parameter("addrMapper.interleave_size")
    assert dram.has_parameter("channel.rank.bank.CL")
    assert dram.has_parameter("channel.rank.bank.transactionQ.windowCycles")
    assert not dram.has_parameter("adrMapper.interleave_size")
    assert not dram.has_parameter("channel.rank.bank.XL")
    assert not dram.has_parameter("addrMapper.")
    router = catalogue.find("merlin.hr_router", "test")
    assert router.has_port("port12")
    assert not router.has_port("port")
    assert not router.has_port("portx")


@pytest.mark.parametrize("type_", ["memHierarchy.Bus", "merlin.hr_router", "moecosim.ChannelBackend", "moecosim.Hub"])
def test_the_catalogue_knows_what_graphs_are_made_of(type_: str) -> None:
    element = shipped_catalogue().find(type_, "test")
    assert set(element.required) <= set(element.parameters)
    assert shipped_catalogue().sst_version == "16.0.0"


def test_own_elements_are_described() -> None:
    for type_, element in shipped_catalogue().elements.items():
        if type_.startswith("moecosim."):
            for name in ("", *element.parameters, *element.ports, *element.slots, *element.statistics):
                assert element.descriptions[name], f"{type_} {name}"


XML = """<SSTInfoXML><Element Name="lib">
<Component Name="Part" Description="d"><Parameter Name="needed" Description="n" Default="none"/>
<Parameter Name="width" Description="w" Default="64"/><Port Name="port%d" Description="p"/>
<Port Name="old" Description="DEPRECATED. Use port"/><SubComponentSlot Name="inner" Interface="I" Description="s"/>
<Statistic Name="count" Description="c" Units="u"/></Component></Element></SSTInfoXML>"""


def test_sst_info_is_read() -> None:
    entry = read_sst_info(XML, "lib", ("Part",))["lib.Part"]
    assert entry == {
        "kind": "Component",
        "parameters": {"needed": None, "width": "64"},
        "required": [],
        "ports": ["port%d"],
        "slots": {"inner": "I"},
        "statistics": ["count"],
    }


def test_own_library_requires_what_has_no_default() -> None:
    entry = read_sst_info(XML.replace("lib", "moecosim"), "moecosim")["moecosim.Part"]
    assert entry["required"] == ["needed"]
    assert entry["descriptions"]["width"] == "w"
