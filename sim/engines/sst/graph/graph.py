"""An SST configuration as plain objects: `graph.check` checks it, `emit` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import networkx as nx

Value = str | int


@dataclass(frozen=True)
class Statistic:
    """A statistic of the component it is listed in, summed up by `type`."""

    name: str
    type: str = "sst.AccumulatorStatistic"


@dataclass(frozen=True)
class SubComponent:
    """What fills `slot` of its parent; `slot_number` counts where a slot holds several."""

    slot: str
    type: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    children: tuple[SubComponent, ...] = ()
    slot_number: int = 0


@dataclass(frozen=True)
class Component:
    """`section` groups components in a printed configuration; `note` says what it stands for."""

    name: str
    type: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    children: tuple[SubComponent, ...] = ()
    statistics: tuple[Statistic, ...] = ()
    section: str = ""
    note: str = ""


@dataclass(frozen=True)
class End:
    """One end of a link: a port of the component, or of the sub-component, at `path`."""

    path: str
    """``component``, or ``component:slot:slot`` for a sub-component of a sub-component.

    A child that is not the first of its slot is ``slot[number]``."""
    port: str


@dataclass(frozen=True)
class GraphLink:
    """Joins two ports; a message takes `latency_ps` (>= 1) each way."""

    name: str
    ends: tuple[End, End]
    latency_ps: int
    note: str = ""
    may_cut: bool = False
    """Whether its ends may be simulated by different threads or ranks, which then wait for each other once in
    `latency_ps`: a short link cut makes a run slower beyond all measure."""


@dataclass(frozen=True)
class Graph:
    """Everything a configuration says."""

    title: str
    components: tuple[Component, ...]
    links: tuple[GraphLink, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    """SST program options, such as ``stop-at``."""
    statistics_file: str = "statistics.csv"

    def parts(self) -> Iterator[tuple[str, Component | SubComponent]]:
        """Every component and sub-component with its path, parents first."""
        for component in self.components:
            yield component.name, component
            yield from _below(component.name, component.children)

    def pieces(self) -> int:
        """Groups of components that links which may not be cut hold together: at most so many threads can work."""
        together = nx.Graph()
        together.add_nodes_from(component.name for component in self.components)
        together.add_edges_from(
            [end.path.split(":")[0] for end in link.ends] for link in self.links if not link.may_cut
        )
        return int(nx.number_connected_components(together))


def child_path(parent: str, child: SubComponent) -> str:
    """The path of a child of `parent`."""
    return f"{parent}:{child.slot}" + (f"[{child.slot_number}]" if child.slot_number else "")


def _below(path: str, children: tuple[SubComponent, ...]) -> Iterator[tuple[str, SubComponent]]:
    for child in children:
        own = child_path(path, child)
        yield own, child
        yield from _below(own, child.children)
