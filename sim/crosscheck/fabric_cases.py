"""Catalogue machines: transfers over PCIe links and a CXL switch, and what they contend with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import case
from moe_cosim.workloads.program import Program
from moe_cosim.workloads.program_builder import Access, ProgramBuilder

_MB = 1_000_000


def _machine(name: str, devices: int = 1, assumptions: Mapping[str, Any] | None = None) -> Machine:
    settings = {} if devices == 1 else {"devices.ndp.count": devices}
    return build_machine(name, Assumptions(assumptions), settings)


def _pair(builder: ProgramBuilder, source: str, target: str, size: int, at: int = 0) -> tuple[Access, Access]:
    return builder.read(source, size, at), builder.write(target, size, at)


@case("gpu-reads-its-hbm", "80 channels, 3.35 TB/s")
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-cxl-ndp")
    builder = ProgramBuilder(machine).compute("gpu.sm.main", busy_ps=1000)
    builder.stream("gpu.sm.main", builder.read("gpu.hbm", 16 * _MB))
    return machine, builder.build()


@case("gpu-reads-over-the-switch", "a remote read at the link's payload rate")
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-cxl-ndp")
    builder = ProgramBuilder(machine)
    builder.stream("gpu.sm.main", builder.read("ndp.dram", 2 * _MB))
    return machine, builder.build()


@case("gpu-reads-over-the-switch-64B", "the same in lines of 64 bytes", line_bytes=64)
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-cxl-ndp")
    builder = ProgramBuilder(machine)
    builder.stream("gpu.sm.main", builder.read("ndp.dram", 1 * _MB))
    return machine, builder.build()


@case("gpu-writes-over-the-switch", "a remote write")
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-cxl-ndp")
    builder = ProgramBuilder(machine)
    builder.stream("gpu.sm.main", builder.write("ndp.dram", 2 * _MB))
    return machine, builder.build()


@case("copy-to-the-gpu", "an expert's weights move over the switch")
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-cxl-ndp")
    builder = ProgramBuilder(machine)
    builder.copy("gpu.dma.weights", *_pair(builder, "ndp.dram", "gpu.hbm", 4 * _MB))
    return machine, builder.build()


@case("copies-both-ways", "weights come while activations go")
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-cxl-ndp")
    builder = ProgramBuilder(machine)
    builder.copy("gpu.dma.weights", *_pair(builder, "ndp.dram", "gpu.hbm", 2 * _MB))
    builder.copy("gpu.dma.activations", *_pair(builder, "gpu.hbm", "ndp.dram", 2 * _MB, 8 * _MB))
    return machine, builder.build()


@case("two-copies-one-link", "demand and prefetch lanes share the link")
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-cxl-ndp")
    builder = ProgramBuilder(machine)
    builder.copy("gpu.dma.weights", *_pair(builder, "ndp.dram", "gpu.hbm", 2 * _MB))
    builder.copy("gpu.dma.prefetch", *_pair(builder, "ndp.dram", "gpu.hbm", 1 * _MB, 8 * _MB))
    return machine, builder.build()


@case("activations-there-and-back", "short copies by turns: latency decides")
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-cxl-ndp")
    builder = ProgramBuilder(machine)
    for turn in range(12):
        builder.copy("gpu.dma.activations", *_pair(builder, "gpu.hbm", "ndp.dram", 12_288, turn * 16_384))
        builder.copy("gpu.dma.activations", *_pair(builder, "ndp.dram", "gpu.hbm", 12_288, turn * 16_384))
    return machine, builder.build()


@case("ndp-reads-its-dram", "near-data read")
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-cxl-ndp")
    builder = ProgramBuilder(machine)
    builder.stream("ndp.core.main", builder.read("ndp.dram", 4 * _MB), busy_ps=1000)
    return machine, builder.build()


@case("ndp-local-against-gpu-remote", "the core and the GPU read one DRAM at once")
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-cxl-ndp")
    builder = ProgramBuilder(machine)
    builder.stream("ndp.core.main", builder.read("ndp.dram", 6 * _MB))
    builder.stream("gpu.sm.main", builder.read("ndp.dram", 600_000, 16 * _MB))
    return machine, builder.build()


@case("copy-against-stream", "weights leave a DRAM that its core is reading")
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-cxl-ndp")
    builder = ProgramBuilder(machine)
    builder.copy("gpu.dma.weights", *_pair(builder, "ndp.dram", "gpu.hbm", 1 * _MB))
    for turn in range(4):
        builder.stream("ndp.core.main", builder.read("ndp.dram", 1_500_000, (8 + 2 * turn) * _MB))
    return machine, builder.build()


@case("slow-dram-contended", "a DRAM of 48 GB/s achieved: the core and a copy share it")
def _() -> tuple[Machine, Program]:
    settings = {"devices.ndp.memories.dram.peak": "52.5 GB/s"}
    machine = build_machine("h100-cxl-ndp", Assumptions(), settings)
    builder = ProgramBuilder(machine)
    builder.copy("gpu.dma.weights", *_pair(builder, "ndp.dram", "gpu.hbm", 1 * _MB))
    builder.stream("ndp.core.main", builder.read("ndp.dram", 2 * _MB, 8 * _MB))
    return machine, builder.build()


@case("many-to-one", "four devices' weights meet on the GPU's link")
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-cxl-ndp", devices=4)
    builder = ProgramBuilder(machine)
    pairs = [_pair(builder, f"ndp{index}.dram", "gpu.hbm", 600_000, index * _MB) for index in range(4)]
    builder.copy("gpu.dma.weights", *(access for pair in pairs for access in pair))
    return machine, builder.build()


@case("one-to-many", "rows go to four devices")
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-cxl-ndp", devices=4)
    builder = ProgramBuilder(machine)
    pairs = [_pair(builder, "gpu.hbm", f"ndp{index}.dram", 500_000, index * _MB) for index in range(4)]
    builder.copy("gpu.dma.weights", *(access for pair in pairs for access in pair))
    return machine, builder.build()


@case("slow-link", "a link of 32 GB/s at 46 %")
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-cxl-ndp", assumptions={"cxl-link-rate": "32 GB/s", "cxl-link-efficiency": 0.46})
    builder = ProgramBuilder(machine)
    builder.copy("gpu.dma.weights", *_pair(builder, "ndp.dram", "gpu.hbm", 1 * _MB))
    return machine, builder.build()


@case("host-copy", "weights from host memory over PCIe 4")
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-host-pcie4")
    builder = ProgramBuilder(machine)
    builder.copy("gpu.dma.weights", *_pair(builder, "host.dram", "gpu.hbm", 2 * _MB))
    return machine, builder.build()


@case("gpu-waits-for-ndp", "rows out, near-data kernel, rows back, by tokens")
def _() -> tuple[Machine, Program]:
    machine = _machine("h100-cxl-ndp")
    builder = ProgramBuilder(machine)
    for turn in range(4):
        sent, done, back = 3 * turn, 3 * turn + 1, 3 * turn + 2
        builder.stream("gpu.sm.main", builder.read("gpu.hbm", 3 * _MB, turn * 4 * _MB)).wait("gpu.sm.main", back)
        builder.copy("gpu.dma.activations", *_pair(builder, "gpu.hbm", "ndp.dram", 16_384, 100 * _MB))
        builder.signal("gpu.dma.activations", sent).wait("gpu.dma.activations", done)
        builder.copy("gpu.dma.activations", *_pair(builder, "ndp.dram", "gpu.hbm", 16_384, 100 * _MB))
        builder.signal("gpu.dma.activations", back)
        builder.wait("ndp.core.main", sent)
        builder.stream("ndp.core.main", builder.read("ndp.dram", 1 * _MB, turn * 2 * _MB), setup_ps=1_000_000)
        builder.signal("ndp.core.main", done)
    return machine, builder.build()
