"""Catalogue machines: transfers over PCIe links and a CXL switch, and what they contend with."""

from __future__ import annotations

from moe_cosim.sim.crosscheck.case import CaseTable
from moe_cosim.sim.crosscheck.cases.transfers import catalog_machine, pair
from moe_cosim.workloads.programs.builder import ProgramBuilder

TABLE = CaseTable()

_MB = 1_000_000
_ONE = catalog_machine("h100-cxl-ndp")
_FOUR = catalog_machine("h100-cxl-ndp", {"devices.ndp.count": 4})


@TABLE.add("gpu-reads-its-hbm", "80 channels, 3.35 TB/s", _ONE)
def _(builder: ProgramBuilder) -> None:
    builder.compute("gpu.sm.main", busy_ps=1000)
    builder.stream("gpu.sm.main", builder.read("gpu.hbm", 16 * _MB))


@TABLE.add("gpu-reads-over-the-switch", "a remote read at the link's payload rate", _ONE)
def _(builder: ProgramBuilder) -> None:
    builder.stream("gpu.sm.main", builder.read("ndp.dram", 2 * _MB))


@TABLE.add("gpu-reads-over-the-switch-64B", "the same in lines of 64 bytes", _ONE, line_bytes=64)
def _(builder: ProgramBuilder) -> None:
    builder.stream("gpu.sm.main", builder.read("ndp.dram", 1 * _MB))


@TABLE.add("gpu-writes-over-the-switch", "a remote write", _ONE)
def _(builder: ProgramBuilder) -> None:
    builder.stream("gpu.sm.main", builder.write("ndp.dram", 2 * _MB))


@TABLE.add("copy-to-the-gpu", "an expert's weights move over the switch", _ONE)
def _(builder: ProgramBuilder) -> None:
    builder.copy("gpu.dma.weights", *pair(builder, "ndp.dram", "gpu.hbm", 4 * _MB))


@TABLE.add("copies-both-ways", "weights come while activations go", _ONE)
def _(builder: ProgramBuilder) -> None:
    builder.copy("gpu.dma.weights", *pair(builder, "ndp.dram", "gpu.hbm", 2 * _MB))
    builder.copy("gpu.dma.activations", *pair(builder, "gpu.hbm", "ndp.dram", 2 * _MB, 8 * _MB))


@TABLE.add("two-copies-one-link", "demand and prefetch lanes share the link", _ONE)
def _(builder: ProgramBuilder) -> None:
    builder.copy("gpu.dma.weights", *pair(builder, "ndp.dram", "gpu.hbm", 2 * _MB))
    builder.copy("gpu.dma.prefetch", *pair(builder, "ndp.dram", "gpu.hbm", 1 * _MB, 8 * _MB))


@TABLE.add("activations-there-and-back", "short copies by turns: latency decides", _ONE)
def _(builder: ProgramBuilder) -> None:
    for turn in range(12):
        builder.copy("gpu.dma.activations", *pair(builder, "gpu.hbm", "ndp.dram", 12_288, turn * 16_384))
        builder.copy("gpu.dma.activations", *pair(builder, "ndp.dram", "gpu.hbm", 12_288, turn * 16_384))


@TABLE.add("ndp-reads-its-dram", "near-data read", _ONE)
def _(builder: ProgramBuilder) -> None:
    builder.stream("ndp.core.main", builder.read("ndp.dram", 4 * _MB), busy_ps=1000)


@TABLE.add("ndp-local-against-gpu-remote", "the core and the GPU read one DRAM at once", _ONE)
def _(builder: ProgramBuilder) -> None:
    builder.stream("ndp.core.main", builder.read("ndp.dram", 6 * _MB))
    builder.stream("gpu.sm.main", builder.read("ndp.dram", 600_000, 16 * _MB))


@TABLE.add("copy-against-stream", "weights leave a DRAM that its core is reading", _ONE)
def _(builder: ProgramBuilder) -> None:
    builder.copy("gpu.dma.weights", *pair(builder, "ndp.dram", "gpu.hbm", 1 * _MB))
    for turn in range(4):
        builder.stream("ndp.core.main", builder.read("ndp.dram", 1_500_000, (8 + 2 * turn) * _MB))


@TABLE.add(
    "slow-dram-contended",
    "a DRAM of 48 GB/s achieved: the core and a copy share it",
    catalog_machine("h100-cxl-ndp", {"devices.ndp.memories.dram.peak": "52.5 GB/s"}),
)
def _(builder: ProgramBuilder) -> None:
    builder.copy("gpu.dma.weights", *pair(builder, "ndp.dram", "gpu.hbm", 1 * _MB))
    builder.stream("ndp.core.main", builder.read("ndp.dram", 2 * _MB, 8 * _MB))


@TABLE.add("many-to-one", "four devices' weights meet on the GPU's link", _FOUR)
def _(builder: ProgramBuilder) -> None:
    pairs = [pair(builder, f"ndp{index}.dram", "gpu.hbm", 600_000, index * _MB) for index in range(4)]
    builder.copy("gpu.dma.weights", *(access for pair in pairs for access in pair))


@TABLE.add("one-to-many", "rows go to four devices", _FOUR)
def _(builder: ProgramBuilder) -> None:
    pairs = [pair(builder, "gpu.hbm", f"ndp{index}.dram", 500_000, index * _MB) for index in range(4)]
    builder.copy("gpu.dma.weights", *(access for pair in pairs for access in pair))


@TABLE.add(
    "slow-link",
    "a link of 32 GB/s at 46 %",
    catalog_machine("h100-cxl-ndp", assumptions={"cxl-link-rate": "32 GB/s", "cxl-link-efficiency": 0.46}),
)
def _(builder: ProgramBuilder) -> None:
    builder.copy("gpu.dma.weights", *pair(builder, "ndp.dram", "gpu.hbm", 1 * _MB))


@TABLE.add("host-copy", "weights from host memory over PCIe 4", catalog_machine("h100-host-pcie4"))
def _(builder: ProgramBuilder) -> None:
    builder.copy("gpu.dma.weights", *pair(builder, "host.dram", "gpu.hbm", 2 * _MB))


@TABLE.add("gpu-waits-for-ndp", "rows out, near-data kernel, rows back, by tokens", _ONE)
def _(builder: ProgramBuilder) -> None:
    for turn in range(4):
        sent, done, back = 3 * turn, 3 * turn + 1, 3 * turn + 2
        builder.stream("gpu.sm.main", builder.read("gpu.hbm", 3 * _MB, turn * 4 * _MB)).wait("gpu.sm.main", back)
        builder.copy("gpu.dma.activations", *pair(builder, "gpu.hbm", "ndp.dram", 16_384, 100 * _MB))
        builder.signal("gpu.dma.activations", sent).wait("gpu.dma.activations", done)
        builder.copy("gpu.dma.activations", *pair(builder, "ndp.dram", "gpu.hbm", 16_384, 100 * _MB))
        builder.signal("gpu.dma.activations", back)
        builder.wait("ndp.core.main", sent)
        builder.stream("ndp.core.main", builder.read("ndp.dram", 1 * _MB, turn * 2 * _MB), setup_ps=1_000_000)
        builder.signal("ndp.core.main", done)
