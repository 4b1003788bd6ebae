"""A module's DRAM is one: its core, the host and DIMM-Link share it, and modules of a channel share that."""

from __future__ import annotations

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.dram.mix import mix_factors
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.program import Program

SIZE = 100_000_000
DRAM = 102.4e9 * 0.915
CHANNEL = 38.4e9 * 0.732
LINK = 25e9
"""Bytes per second; latencies are below a thousandth of these transfers."""


@pytest.fixture(scope="module")
def machine() -> Machine:
    return build_machine("h100-amx-dimm-ndp", Assumptions())


def ends(machine: Machine, program: Program) -> dict[str, float]:
    """Seconds at which each lane's only event ends."""
    timeline = EmbeddedEngine().run(machine, program)
    return {
        ".".join(program.lanes[lane]): float(timeline.end_ps[event]) / 1e12
        for event, lane in enumerate(np.asarray(program.events["lane"]).tolist())
    }


def test_a_core_yields_to_the_host_what_the_channel_carries(machine: Machine) -> None:
    """The host takes 38.4 GB/s while it reads; the core has the rest, and all of it afterwards."""
    builder = ProgramBuilder(machine)
    builder.stream("dimm0.core.main", builder.read("dimm0.dram", 4 * SIZE))
    builder.stream("host.cpu.main", builder.read("dimm0.dram", SIZE, offset=8 * SIZE))
    found = ends(machine, builder.build())
    host_s = SIZE / CHANNEL
    assert found["host.cpu.main"] == pytest.approx(host_s, rel=2e-3)
    core_s = host_s + (4 * SIZE - (DRAM - CHANNEL) * host_s) / DRAM
    assert found["dimm0.core.main"] == pytest.approx(core_s, rel=2e-3)


def test_a_core_yields_to_dimm_link_on_both_ends(machine: Machine) -> None:
    builder = ProgramBuilder(machine)
    for module in (0, 1):
        builder.stream(f"dimm{module}.core.main", builder.read(f"dimm{module}.dram", 8 * SIZE))
    source, target = builder.read("dimm0.dram", SIZE, offset=10 * SIZE), builder.write("dimm1.dram", SIZE, 10 * SIZE)
    builder.copy("dimm0.link.copies", source, target)
    found = ends(machine, builder.build())
    copy_s = SIZE / LINK
    assert found["dimm0.link.copies"] == pytest.approx(copy_s, rel=2e-3)
    assert found["dimm0.core.main"] == pytest.approx((8 * SIZE + SIZE) / DRAM, rel=5e-3)
    written = machine.memories["dimm1.dram"]  # reads and writes meet here, and the bus is turned round
    factors = mix_factors(written)
    assert factors is not None
    takes = LINK / (written.peak_bytes_per_s * float(written.efficiency.share(0, True)))
    left = (factors.factor(2, 1 / (1 + takes)) - takes) * DRAM * copy_s
    assert found["dimm1.core.main"] == pytest.approx(copy_s + (8 * SIZE - left) / DRAM, rel=2e-3)
    assert found["dimm1.core.main"] > 1.005 * found["dimm0.core.main"]


def test_two_modules_of_a_channel_share_it_and_of_two_channels_do_not(machine: Machine) -> None:
    for other, expected in ((1, 2 * SIZE / CHANNEL), (2, SIZE / CHANNEL)):
        builder = ProgramBuilder(machine)
        builder.stream("host.cpu.main", builder.read("dimm0.dram", SIZE), builder.read(f"dimm{other}.dram", SIZE))
        assert ends(machine, builder.build())["host.cpu.main"] == pytest.approx(expected, rel=2e-3)


def test_fetching_a_localized_expert_slows_the_cpus_striped_reads(machine: Machine) -> None:
    """Why TriMoE's scheduler counts channels: one channel has a third reader, and the slowest part sets the pace."""
    builder = ProgramBuilder(machine)
    parts = [builder.read(f"dimm{index}.dram", SIZE // 16) for index in range(16)]
    builder.stream("host.cpu.main", *parts)
    source, target = builder.read("dimm0.dram", SIZE, offset=10 * SIZE), builder.write("gpu.hbm", SIZE)
    builder.copy("gpu.dma.weights", source, target)
    found = ends(machine, builder.build())["host.cpu.main"]
    assert found == pytest.approx(3 / 2 * SIZE / (8 * CHANNEL), rel=2e-3)
