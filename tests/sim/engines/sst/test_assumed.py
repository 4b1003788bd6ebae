"""What results of the sst engine list of its back ends."""

from __future__ import annotations

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.dram.mix import mix_factors
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst.engine import SstEngine
from tests.sim.engines.sst.machines import one_device


def listed(machine: Machine, memory: str) -> list[tuple[str, object]]:
    found = SstEngine.from_options({"memory": memory}, "test").assumed(machine)
    assert all(row.value in row.range for row in found)
    assert all(row.source.startswith(f"memory: {memory}:") for row in found)
    return [(row.name, row.range) for row in found]


def test_shares_follow_no_mix_however_little_the_timing_model_leaves_of_it() -> None:
    machine = build_machine("h100-cxl-memory", Assumptions())
    factors = [mix_factors(memory) for memory in machine.memory_list if memory.dram is not None]
    least = min(min(min(row) for row in (*each.sequential, each.scattered)) for each in factors if each is not None)
    assert least < 0.9
    assert listed(machine, "shares") == [("sst-mix-factor", (pytest.approx(least, abs=1e-3), 1.0))]


def test_timing_has_few_gaps_and_commands_all() -> None:
    machine = build_machine("h100-cxl-memory", Assumptions())
    assert [name for name, _ in listed(machine, "timing")] == ["sst-dram-gaps"]
    assert listed(machine, "commands") == []


def test_of_memories_that_are_shares_alone_nothing_is_left_out() -> None:
    assert listed(one_device(), "shares") == []
