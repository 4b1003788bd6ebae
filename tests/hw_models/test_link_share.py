"""MoNDE's share of the link, against its formula on machines whose figures are known."""

from __future__ import annotations

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.link_share import link_share
from moe_cosim.hw_models.machine import Machine


@pytest.mark.parametrize(
    ("name", "devices", "link"), [("h100-cxl-ndp", 1, "gpu-cxl"), ("h100-cxl-ndp-4", 4, "gpu-cxl")]
)
def test_the_narrowest_common_part_of_the_ways_against_all_memories(name: str, devices: int, link: str) -> None:
    machine = build_machine(name, Assumptions())
    homes = _homes(machine)
    assert len(homes) == devices
    narrowest = machine.links[link].bytes_per_s
    everything = sum(machine.memories[home].peak_bytes_per_s for home in homes)
    assert link_share(machine, homes, "gpu.hbm") == narrowest / (everything + narrowest)


def test_what_only_one_memory_has_on_its_way_does_not_count() -> None:
    settings = {"links.cxl-ndp.peak": "1 GB/s"}
    several = build_machine("h100-cxl-ndp-4", Assumptions(), settings)
    unchanged = build_machine("h100-cxl-ndp-4", Assumptions())
    assert link_share(several, _homes(several), "gpu.hbm") == link_share(unchanged, _homes(unchanged), "gpu.hbm")
    one = build_machine("h100-cxl-ndp", Assumptions(), settings)
    assert link_share(one, _homes(one), "gpu.hbm") < link_share(unchanged, _homes(unchanged), "gpu.hbm")


def test_an_unlimited_link_takes_all() -> None:
    machine = build_machine("h100-cxl-ndp-4", Assumptions(), {"links.gpu-cxl.peak": "unlimited"})
    assert link_share(machine, _homes(machine), "gpu.hbm") == 1.0


def _homes(machine: Machine) -> list[str]:
    return [memory.name for memory in machine.memories.values() if memory.kind == "ndp"]
