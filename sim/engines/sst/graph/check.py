"""A graph checked against the catalogue: what SST would ignore silently, or die of late."""

from __future__ import annotations

from collections import Counter

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.engines.sst.graph.catalogue import Catalogue, Element, shipped_catalogue
from moe_cosim.sim.engines.sst.graph.graph import Component, Graph, SubComponent, child_path

_GRAPH = "SST graph"


def check_graph(graph: Graph, catalogue: Catalogue | None = None) -> None:
    """Raises `InputError` naming the component and, for a wrong name, the nearest legal one."""
    known = catalogue or shipped_catalogue()
    _names_once(graph)
    elements: dict[str, Element] = {}
    for component in graph.components:
        _check_part(component, component.name, "Component", known, elements)
        for statistic in component.statistics:
            element = elements[component.name]
            if not element.has_statistic(statistic.name):
                allowed = element.statistics
                raise InputError(_where(component.name), "statistic", statistic.name, allowed)
    _check_links(graph, elements)


def _names_once(graph: Graph) -> None:
    for kind, names in (("component", [c.name for c in graph.components]), ("link", [x.name for x in graph.links])):
        for name, count in Counter(names).items():
            if count > 1:
                raise InputError(_GRAPH, f"{kind} name", name, "every name once")
            if not name or ":" in name:
                raise InputError(_GRAPH, f"{kind} name", name, "a name without ':'")


def _check_part(
    part: Component | SubComponent, path: str, kind: str, known: Catalogue, elements: dict[str, Element]
) -> None:
    where = _where(path)
    element = known.find(part.type, where)
    if element.kind != kind:
        raise InputError(where, "type", Plain(f"{part.type}, a {element.kind}"), f"a {kind}")
    elements[path] = element
    for name in part.parameters:
        if not element.has_parameter(name):
            raise InputError(where, "parameter", name, element.parameters)
    for name in element.required:
        if name not in part.parameters:
            raise InputError(where, f"parameter {name}", Plain("nothing"), f"a value: {part.type} requires it")
    taken = Counter((child.slot, child.slot_number) for child in part.children)
    for child in part.children:
        if not element.has_slot(child.slot):
            raise InputError(where, "slot", child.slot, element.slots)
        if taken[child.slot, child.slot_number] > 1:
            raise InputError(where, f"slot {child.slot}", Plain(f"number {child.slot_number} twice"), "each once")
        _check_part(child, child_path(path, child), "SubComponent", known, elements)


def _check_links(graph: Graph, elements: dict[str, Element]) -> None:
    used: dict[tuple[str, str], str] = {}
    for link in graph.links:
        where = f"{_GRAPH}, link {link.name}"
        if link.latency_ps < 1:
            raise InputError(where, "latency_ps", link.latency_ps, "at least 1 (SST has no instant links)")
        for end in link.ends:
            if end.path not in elements:
                raise InputError(where, "end", end.path, elements)
            element = elements[end.path]
            if not element.has_port(end.port):
                raise InputError(f"{where}, {end.path}", "port", end.port, element.ports)
            taken = used.setdefault((end.path, end.port), link.name)
            if taken != link.name or link.ends[0] == link.ends[1]:
                raise InputError(where, "end", f"{end.path} {end.port}", f"a free port (link {taken} is there)")
    linked = {path.split(":")[0] for path, _ in used}
    for component in graph.components:
        if component.name not in linked and elements[component.name].ports:
            raise InputError(_where(component.name), "links", Plain("none"), "at least one: nothing reaches it")


def _where(path: str) -> str:
    return f"{_GRAPH}, {path}"
