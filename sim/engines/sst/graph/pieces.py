"""A machine cut into the pieces that become devices and routers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np

from moe_cosim.hw_models.components import Link, Memory, Unit
from moe_cosim.hw_models.machine import Machine


@dataclass(frozen=True)
class GraphPiece:
    """What hangs together without the links that are cut."""

    nodes: tuple[str, ...]
    """In the machine's order."""
    links: tuple[Link, ...]
    """The cut ones that reach it, in the machine's order."""
    joint: str
    """The node where they all end; empty where there are none."""

    def units(self, machine: Machine) -> tuple[Unit, ...]:
        """Those of the machine in this piece."""
        return tuple(machine.units[node] for node in self.nodes if node in machine.units)

    def memories(self, machine: Machine) -> tuple[Memory, ...]:
        """Those of the machine in this piece."""
        return tuple(machine.memories[node] for node in self.nodes if node in machine.memories)

    def has_parts(self, machine: Machine) -> bool:
        """Whether anything but switches is in it."""
        return any(node in machine.units or node in machine.memories for node in self.nodes)


def cut_machine(machine: Machine) -> list[GraphPiece]:
    """Cut at links with a rate, at switches with one and at heads, and further until each piece is one device.

    The links between two places where cut links end are cut too, so that each piece has one; and all links of a piece
    whose parts are at different distances, or have other memories' addresses between theirs.
    """
    cut = {link.name for link in machine.links.values() if _is_limit(machine, link)}
    while True:
        pieces = _pieces(machine, cut)
        more = {link.name for piece in pieces for link in _further(machine, piece, cut)}
        if not more:
            return [GraphPiece(nodes, links, _joints(nodes, links)[0] if links else "") for nodes, links in pieces]
        cut |= more


_Raw = tuple[tuple[str, ...], tuple[Link, ...]]


def _is_limit(machine: Machine, link: Link) -> bool:
    switches = [machine.switches[end] for end in link.ends if end in machine.switches]
    is_head = len(switches) == 2 and any(switch.multi_headed for switch in switches)
    return bool(np.isfinite(link.bytes_per_s) or is_head or any(np.isfinite(switch.bytes_per_s) for switch in switches))


def _pieces(machine: Machine, cut: Iterable[str]) -> list[_Raw]:
    """(nodes, cut links that reach them) of each, in the machine's order."""
    links = [machine.links[name] for name in machine.links if name in cut]
    inside = nx.restricted_view(machine.graph, [], [link.ends for link in links])
    order = list(machine.graph)
    pieces = [tuple(sorted(piece, key=order.index)) for piece in nx.connected_components(inside)]
    return [(nodes, tuple(link for link in links if set(link.ends) & set(nodes))) for nodes in pieces]


def _joints(nodes: Sequence[str], links: Sequence[Link]) -> list[str]:
    ends = {end for link in links for end in link.ends}
    return [node for node in nodes if node in ends]


def _further(machine: Machine, piece: _Raw, cut: Iterable[str]) -> list[Link]:
    """Links of the piece that must be cut as well."""
    nodes, links = piece
    own = [link for link in machine.links.values() if link.name not in cut and set(link.ends) <= set(nodes)]
    joints = _joints(nodes, links)
    if len(joints) > 1:
        ways = [machine.way(a, b) for a, b in itertools.combinations(joints, 2)]
        steps = {frozenset(step) for way in ways for step in itertools.pairwise(way)}
        return [link for link in own if frozenset(link.ends) in steps]
    return [] if _is_one_device(machine, nodes, joints) else own


def _is_one_device(machine: Machine, nodes: Sequence[str], joints: Sequence[str]) -> bool:
    units = [node for node in nodes if node in machine.units]
    memories = [node for node in nodes if node in machine.memories]
    ways = [{machine.path(unit, memory).latency_ps for unit in units for memory in memories}]
    if joints:
        ways += [{machine.path(part, joints[0]).latency_ps for part in parts} for parts in (units, memories)]
    if any(len(latencies) > 1 for latencies in ways):
        return False
    first = min((machine.memories[name].base_address for name in memories), default=0)
    last = max((machine.memories[name].base_address for name in memories), default=0)
    return not joints or not any(
        first < other.base_address < last for name, other in machine.memories.items() if name not in memories
    )
