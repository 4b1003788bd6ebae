"""Several switches and levels, devices of two heads, switches whose rate is shared, several peer fabrics."""

from __future__ import annotations

from dataclasses import replace

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import CaseTable
from moe_cosim.sim.crosscheck.cases.transfers import catalog_machine, pair
from moe_cosim.workloads.programs.builder import ProgramBuilder

TABLE = CaseTable()

_KB = 1_000
_MB = 1_000_000
_SPINE = catalog_machine("h100-cxl-ndp-16-spine")
_HEADS = catalog_machine("h100-host-two-headed")
_DIMMS = catalog_machine("h100-amx-dimm-ndp")
_HUB = catalog_machine("rtx5080-dimm-ndp-4")


def _two_fabrics() -> Machine:
    """Two DIMM-Links of eight modules each, where the catalogue's machine has one of sixteen."""
    one = build_machine("h100-amx-dimm-ndp", Assumptions())
    (link,) = one.peers.values()
    halves = [replace(link, name=f"half{number}", members=link.members[number::2]) for number in (0, 1)]
    units, memories = list(one.units.values()), list(one.memories.values())
    links, switches = list(one.links.values()), list(one.switches.values())
    return Machine("two-dimm-links", units, memories, links, switches, peers=halves)


@TABLE.add("spine-gpu-reads", "a read over three switches and two trunks", _SPINE)
def _(builder: ProgramBuilder) -> None:
    builder.stream("gpu.sm.main", builder.read("ndp5.dram", 1 * _MB))


@TABLE.add("spine-gpu-writes", "a write over three switches", _SPINE)
def _(builder: ProgramBuilder) -> None:
    builder.stream("gpu.sm.main", builder.write("ndp10.dram", 1 * _MB))


@TABLE.add("spine-many-to-one", "weights from a device of every leaf meet on the trunk to the GPU's switch", _SPINE)
def _(builder: ProgramBuilder) -> None:
    pairs = [pair(builder, f"ndp{4 * leaf}.dram", "gpu.hbm", 300 * _KB, leaf * _MB) for leaf in range(4)]
    builder.copy("gpu.dma.weights", *(access for pair in pairs for access in pair))


@TABLE.add(
    "spine-slow-trunks",
    "four devices of one leaf meet on its trunk of 32 GB/s, one of another has its own",
    catalog_machine(
        "h100-cxl-ndp-16-spine",
        {"links.trunk.peak": "32 GB/s", "links.trunk.efficiency": 1.0},
    ),
)
def _(builder: ProgramBuilder) -> None:
    for number in range(3):
        lane = ("weights", "prefetch", "activations")[number]
        source = ("ndp0", "ndp1", "ndp4")[number]
        builder.copy(f"gpu.dma.{lane}", *pair(builder, f"{source}.dram", "gpu.hbm", 400 * _KB, number * _MB))


@TABLE.add("spine-one-to-many", "rows go to all sixteen devices", _SPINE)
def _(builder: ProgramBuilder) -> None:
    pairs = [pair(builder, "gpu.hbm", f"ndp{index}.dram", 60 * _KB, index * _MB) for index in range(16)]
    builder.copy("gpu.dma.weights", *(access for pair in pairs for access in pair))


@TABLE.add("spine-peer-to-peer", "cores read each other's memories: beside them, and over the spine", _SPINE)
def _(builder: ProgramBuilder) -> None:
    builder.stream("ndp0.core.main", builder.read("ndp1.dram", 400 * _KB))
    builder.stream("ndp4.core.main", builder.read("ndp9.dram", 400 * _KB))
    builder.stream("ndp12.core.main", builder.write("ndp6.dram", 400 * _KB))
    builder.copy("gpu.dma.weights", *pair(builder, "ndp2.dram", "gpu.hbm", 300 * _KB))


@TABLE.add(
    "spine-copies-between-devices",
    "the GPU's engine moves weights from device to device, in a leaf and between",
    _SPINE,
)
def _(builder: ProgramBuilder) -> None:
    builder.copy("gpu.dma.weights", *pair(builder, "ndp0.dram", "ndp1.dram", 400 * _KB))
    builder.copy("gpu.dma.prefetch", *pair(builder, "ndp4.dram", "ndp9.dram", 400 * _KB))
    builder.copy("gpu.dma.weights", *pair(builder, "ndp1.dram", "gpu.hbm", 200 * _KB, 4 * _MB))


@TABLE.add("spine-sixteen-kernels", "rows out to all devices, a kernel on each, rows back, by tokens", _SPINE)
def _(builder: ProgramBuilder) -> None:
    rows = 12_288
    for index in range(16):
        sent, done = 2 * index, 2 * index + 1
        builder.copy("gpu.dma.activations", *pair(builder, "gpu.hbm", f"ndp{index}.dram", rows, 100 * _MB))
        builder.signal("gpu.dma.activations", sent)
        builder.wait(f"ndp{index}.core.main", sent)
        builder.stream(f"ndp{index}.core.main", builder.read(f"ndp{index}.dram", 400 * _KB), setup_ps=1_000_000)
        builder.signal(f"ndp{index}.core.main", done)
    for index in range(16):
        builder.wait("gpu.dma.activations", 2 * index + 1)
        builder.copy("gpu.dma.activations", *pair(builder, f"ndp{index}.dram", "gpu.hbm", rows, 100 * _MB))


@TABLE.add("heads-read-by-both", "GPU and host read one device, each by its own head, while its core works", _HEADS)
def _(builder: ProgramBuilder) -> None:
    builder.stream("gpu.sm.main", builder.read("ndp0.dram", 600 * _KB))
    builder.stream("host.cpu.main", builder.read("ndp0.dram", 600 * _KB, 8 * _MB))
    builder.stream("ndp0.core.main", builder.read("ndp0.dram", 2 * _MB, 16 * _MB))


@TABLE.add("heads-four-devices", "weights come from four devices over the GPU's own links", _HEADS)
def _(builder: ProgramBuilder) -> None:
    pairs = [pair(builder, f"ndp{index}.dram", "gpu.hbm", 300 * _KB, index * _MB) for index in range(4)]
    builder.copy("gpu.dma.weights", *(access for pair in pairs for access in pair))
    builder.stream("host.cpu.main", builder.write("ndp3.dram", 400 * _KB, 8 * _MB))


@TABLE.add("heads-from-device-to-device", "a core reads another device's memory, over the host's links", _HEADS)
def _(builder: ProgramBuilder) -> None:
    builder.stream("ndp1.core.main", builder.read("ndp2.dram", 400 * _KB))
    builder.copy("gpu.dma.weights", *pair(builder, "host.dram", "gpu.hbm", 400 * _KB))


@TABLE.add("hub-cpu-reads-its-dram", "the processor's own reads cross the hub of 89.6 GB/s", _HUB)
def _(builder: ProgramBuilder) -> None:
    builder.stream("host.cpu.main", builder.read("host.dram", 1 * _MB))


@TABLE.add("hub-shared", "the processor's reads and copies from two modules share the hub", _HUB)
def _(builder: ProgramBuilder) -> None:
    builder.stream("host.cpu.main", builder.read("host.dram", 1 * _MB))
    builder.copy("gpu.dma.weights", *pair(builder, "dimm0.dram", "gpu.gddr", 300 * _KB))
    builder.copy("gpu.dma.prefetch", *pair(builder, "dimm2.dram", "gpu.gddr", 300 * _KB, 4 * _MB))


@TABLE.add("hub-both-ways", "copies to and from the GPU cross the hub together", _HUB)
def _(builder: ProgramBuilder) -> None:
    builder.copy("gpu.dma.weights", *pair(builder, "host.dram", "gpu.gddr", 600 * _KB))
    builder.copy("gpu.dma.activations", *pair(builder, "gpu.gddr", "host.dram", 600 * _KB, 8 * _MB))


@TABLE.add("dimm-copies-for-others", "a module's engine copies between two others, by DIMM-Link", _DIMMS)
def _(builder: ProgramBuilder) -> None:
    builder.copy("dimm0.link.copies", *pair(builder, "dimm4.dram", "dimm12.dram", 200 * _KB))
    builder.copy("dimm5.link.copies", *pair(builder, "dimm5.dram", "dimm8.dram", 200 * _KB))


@TABLE.add(
    "two-peer-fabrics", "modules of each half copy to their peers, one to the other half by the tree", _two_fabrics
)
def _(builder: ProgramBuilder) -> None:
    builder.copy("dimm0.link.copies", *pair(builder, "dimm0.dram", "dimm6.dram", 200 * _KB))
    builder.copy("dimm9.link.copies", *pair(builder, "dimm3.dram", "dimm9.dram", 200 * _KB))
    builder.copy("dimm5.link.copies", *pair(builder, "dimm5.dram", "dimm12.dram", 200 * _KB))
