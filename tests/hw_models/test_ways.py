"""Ways over trees and to devices of several heads: each shortest, the same back, and circles refused."""

from __future__ import annotations

import itertools
import math

import networkx as nx
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.components import Link, Switch
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.ways import Ways


def joined(a: str, b: str, latency_ps: int = 10) -> Link:
    return Link(f"{a}-{b}", (a, b), 1e9, 1.0, latency_ps)


def ways(links: list[Link], heads: tuple[str, ...] = ()) -> Ways:
    parts = dict.fromkeys(end for link in links for end in link.ends)
    switches = [Switch(part, 0, math.inf, part in heads) for part in parts if part.isupper()]
    return Ways(parts, links, switches, "machine made")


@pytest.fixture(scope="module")
def two_headed() -> Machine:
    return build_machine("h100-host-two-headed", Assumptions())


def test_every_way_is_the_shortest_and_the_same_back(two_headed: Machine) -> None:
    """Against Dijkstra on a graph in which nothing passes from one head to another."""
    parts = [*two_headed.units, *two_headed.memories]
    for source, target in itertools.combinations(parts, 2):
        way = two_headed.way(source, target)
        homes = {f"{end.partition('.')[0]}.hub" for end in (source, target)}
        barred = [s.name for s in two_headed.switches.values() if s.multi_headed and s.name not in homes]
        graph = nx.restricted_view(two_headed.graph, barred, [])
        shortest = nx.dijkstra_path_length(graph, source, target, lambda a, b, edge: edge["link"].latency_ps)
        assert two_headed.path(source, target).latency_ps == shortest  # its switches have no latency
        assert two_headed.way(target, source) == way[::-1]
        assert not set(way) & set(barred)


def test_each_host_has_its_own_head(two_headed: Machine) -> None:
    assert two_headed.way("gpu.sm", "ndp2.dram")[1:-1] == ["gpu.xbar", "ndp2.hub"]
    assert two_headed.way("host.cpu", "ndp2.dram")[1:-1] == ["host.hub", "ndp2.hub"]


def test_of_equal_ways_the_link_listed_first_is_taken() -> None:
    tree = [joined("u", "A"), joined("A", "B"), joined("A", "C"), joined("m", "M")]
    first = ways([*tree, joined("B", "M"), joined("C", "M")], ("M",))
    second = ways([*tree, joined("C", "M"), joined("B", "M")], ("M",))
    assert first.way("u", "m") == ["u", "A", "B", "M", "m"]
    assert second.way("u", "m") == ["u", "A", "C", "M", "m"]


def test_latency_comes_before_the_order() -> None:
    links = [joined("u", "A"), joined("A", "B"), joined("m", "M"), joined("A", "M", 30), joined("B", "M", 5)]
    assert ways(links, ("M",)).way("u", "m") == ["u", "A", "B", "M", "m"]


@pytest.mark.parametrize(
    ("links", "heads", "named"),
    [
        ([joined("u", "A"), joined("A", "B"), joined("B", "C"), joined("C", "A")], (), "the cycle A - B - C"),
        ([joined("u", "A"), joined("m", "M")], ("M",), "M not linked to the rest"),
        ([joined("u", "A"), joined("A", "M"), joined("M", "N")], ("M", "N"), "not multi-headed at one end"),
        ([joined("u", "M"), joined("M", "N")], ("N",), None),
    ],
)
def test_circles_and_loose_heads_are_refused(links: list[Link], heads: tuple[str, ...], named: str | None) -> None:
    if named is None:
        assert ways(links, heads).way("u", "N") == ["u", "M", "N"]
        return
    with pytest.raises(InputError, match=named):
        ways(links, heads)
