"""A graph printed as SST configurations: Python to read and edit, and JSON. Both say the same."""

from __future__ import annotations

import itertools
import json
import keyword
import re
from dataclasses import dataclass
from typing import Any, Final

import jinja2

from moe_cosim.escape import markdown, printable, python
from moe_cosim.sim.engines.sst.graph.graph import Component, Graph, GraphLink, SubComponent, Value, child_path

STATISTIC_LEVEL: Final = 7
STATISTIC_OUTPUT: Final = "sst.statOutputCSV"


def environment() -> jinja2.Environment:
    """Templates of the package; a name that a template misses is an error. Text goes into ``.py`` as ``| python`` or
    ``| printable`` (comments), into ``.md`` as ``| markdown``."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("moe_cosim.templates", "sst"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    made.filters |= {"python": python, "printable": printable, "markdown": markdown}
    return made


# -- JSON -----------------------------------------------------------------------------------


def json_document(graph: Graph) -> dict[str, Any]:
    """The graph by the rules of SST's JSON reader: text values, names and types first, components before links."""
    return {
        "program_options": dict(graph.options),
        "statistics_options": {
            "statisticLoadLevel": STATISTIC_LEVEL,
            "statisticOutput": STATISTIC_OUTPUT,
            "params": _output_parameters(graph),
        },
        "components": [_json_component(component) for component in graph.components],
        "links": [_json_link(link) for link in graph.links],
    }


def json_text(graph: Graph) -> str:
    """The same as JSON, which SST reads too."""
    return json.dumps(json_document(graph), indent=1) + "\n"


def _json_component(component: Component) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": component.name,
        "type": component.type,
        "params": _texts(component.parameters),
    }
    if component.statistics:
        entry["statistics"] = [{"name": s.name, "params": {"type": s.type}} for s in component.statistics]
    if component.children:
        entry["subcomponents"] = [_json_child(child) for child in component.children]
    return entry


def _json_child(child: SubComponent) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "slot_name": child.slot,
        "slot_number": child.slot_number,
        "type": child.type,
        "params": _texts(child.parameters),
    }
    if child.children:
        entry["subcomponents"] = [_json_child(each) for each in child.children]
    return entry


def _json_link(link: GraphLink) -> dict[str, Any]:
    left, right = ({"component": end.path, "port": end.port, "latency": f"{link.latency_ps}ps"} for end in link.ends)
    return {"name": link.name, "noCut": not link.may_cut, "left": left, "right": right}


def _texts(parameters: Any) -> dict[str, str]:
    return {name: str(value) for name, value in parameters.items()}


def _output_parameters(graph: Graph) -> dict[str, str]:
    return {"filepath": graph.statistics_file, "separator": ","}


# -- Python ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Made:
    """A line of the Python configuration that makes a component, or fills a slot of `parent`."""

    variable: str
    type: str
    parameters: dict[str, Value]
    name: str = ""
    note: str = ""
    statistics: tuple[str, ...] = ()
    parent: str = ""
    slot: str = ""
    slot_number: int = 0


@dataclass(frozen=True)
class _Joined:
    """A line that links two variables' ports."""

    name: str
    a: str
    a_port: str
    b: str
    b_port: str
    latency: str
    may_cut: bool
    note: str


def python_text(graph: Graph) -> str:
    """The graph as a configuration for ``sst``: a section per device, a line per part."""
    variables = _variables(graph)
    sections = [  # runs of components: their order is the graph's, since SST numbers them in it
        (section, [line for component in run for line in _made(component, variables)])
        for section, run in itertools.groupby(graph.components, lambda component: component.section or "parts")
    ]
    links = [
        _Joined(
            link.name,
            variables[link.ends[0].path],
            link.ends[0].port,
            variables[link.ends[1].path],
            link.ends[1].port,
            f"{link.latency_ps}ps",
            link.may_cut,
            link.note,
        )
        for link in graph.links
    ]
    return (
        environment()
        .get_template("config.py.j2")
        .render(
            title=graph.title,
            options=dict(graph.options),
            statistic_level=STATISTIC_LEVEL,
            statistic_output=STATISTIC_OUTPUT,
            output_parameters=_output_parameters(graph),
            sections=sections,
            links=links,
        )
    )


def _made(component: Component, variables: dict[str, str]) -> list[_Made]:
    statistics = tuple(statistic.name for statistic in component.statistics)
    first = _Made(
        variables[component.name],
        component.type,
        dict(component.parameters),
        name=component.name,
        note=component.note,
        statistics=statistics,
    )
    return [first, *_filled(component.name, component.children, variables)]


def _filled(path: str, children: tuple[SubComponent, ...], variables: dict[str, str]) -> list[_Made]:
    lines = []
    for child in children:
        own = child_path(path, child)
        lines.append(
            _Made(
                variables[own],
                child.type,
                dict(child.parameters),
                parent=variables[path],
                slot=child.slot,
                slot_number=child.slot_number,
            )
        )
        lines += _filled(own, child.children, variables)
    return lines


def _variables(graph: Graph) -> dict[str, str]:
    """A Python name for each path; a number keeps apart what would be spelled alike."""
    names: dict[str, str] = {}
    taken = {"sst", "component", "fill", "link"}
    for path, _ in graph.parts():
        base = re.sub(r"\W+", "_", path, flags=re.ASCII).strip("_") or "part"
        base = f"_{base}" if base[0].isdigit() or keyword.iskeyword(base) else base
        name, number = base, 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name)
        names[path] = name
    return names
