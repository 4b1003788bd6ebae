"""Peer fabrics: a way between memories beside the tree; the DIMM-NDP machine's closed forms."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.hw_models.alone import move_alone_ps, time_alone_ps
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.components import PeerFabric
from moe_cosim.hw_models.machine import Machine

EXPERT = 47_185_920
"""Bytes of one 16-bit expert of DeepSeek-V2."""


@pytest.fixture(scope="module")
def machine() -> Machine:
    return build_machine("h100-amx-dimm-ndp", Assumptions())


def names(machine: Machine, a: str, b: str) -> list[str]:
    return [machine.resources[index].name for index in machine.path(a, b).resources]


def test_members_talk_over_their_ports_and_all_else_goes_through_the_tree(machine: Machine) -> None:
    assert names(machine, "dimm3.dram", "dimm4.dram") == ["dimm-link:dimm3.dram:out", "dimm-link:dimm4.dram:in"]
    assert names(machine, "dimm3.dram", "gpu.hbm") == [
        "channel1:channel1.bus->host.hub",
        "gpu-host:host.hub->gpu.xbar",
    ]
    assert names(machine, "dimm3.core", "dimm3.dram") == []


def test_two_modules_share_a_channel(machine: Machine) -> None:
    channels = [names(machine, f"dimm{index}.dram", "host.cpu") for index in range(16)]
    assert [channels[i] == channels[i + 1] for i in range(0, 16, 2)] == [True] * 8
    assert len({tuple(way) for way in channels}) == 8


def test_an_expert_takes_what_each_way_allows(machine: Machine) -> None:
    """Rates of section 'DIMM-NDP' of docs/reproduce-trimoe.md; latencies are below 1 us."""
    parts = {f"dimm{index}.dram": EXPERT // 16 for index in range(16)}
    whole = {"dimm0.dram": EXPERT}
    for unit, reads, rate in (
        ("dimm0.core", whole, 102.4e9 * 0.915),
        ("host.cpu", whole, 38.4e9 * 0.732),
        ("host.cpu", parts, 307.2e9 * 0.732),
        ("gpu.sm", parts, 64e9),
    ):
        assert time_alone_ps(machine, unit, reads) == pytest.approx(EXPERT / rate * 1e12, rel=2e-3)
    assert move_alone_ps(machine, "dimm0.dram", "dimm1.dram", EXPERT) == pytest.approx(EXPERT / 25e9 * 1e12, rel=2e-3)
    to_gpu_ps = EXPERT / (38.4e9 * 0.732) * 1e12
    assert move_alone_ps(machine, "dimm0.dram", "gpu.hbm", EXPERT) == pytest.approx(to_gpu_ps, rel=2e-3)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (("dimm0.dram",), "at least two memories"),
        (("dimm0.dram", "dimm0.dram"), "at least two memories"),
        (("dimm0.dram", "dimm99.dram"), "one of"),
    ],
)
def test_a_fabric_of_wrong_members_is_refused(machine: Machine, members: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        rebuilt(machine, [PeerFabric("extra", members, 1e9, 0)])


def test_two_fabrics_may_not_join_the_same_memories(machine: Machine) -> None:
    link = machine.peers["dimm-link"]
    with pytest.raises(InputError, match="at most one fabric for a pair"):
        rebuilt(machine, [link, replace(link, name="other", members=link.members[:2])])


def rebuilt(machine: Machine, peers: list[PeerFabric]) -> Machine:
    return Machine(
        machine.name,
        list(machine.units.values()),
        list(machine.memories.values()),
        list(machine.links.values()),
        list(machine.switches.values()),
        peers=peers,
    )
