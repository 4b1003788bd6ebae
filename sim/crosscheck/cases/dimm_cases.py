"""Machines with NDP-DIMMs on a host's channels: layouts, contention on DIMMs and channels, DIMM-Link."""

from __future__ import annotations

from typing import Final

from moe_cosim.sim.crosscheck.case import CaseTable
from moe_cosim.sim.crosscheck.cases.transfers import catalog_machine, pair
from moe_cosim.workloads.programs.builder import Access, ProgramBuilder

TABLE = CaseTable()

_KB: Final = 1000
_SLICE: Final = 96_000
"""Bytes on each module of the striped transfers: 1.5 MB in all, as an expert of a small model."""
_DIMMS: Final = [f"dimm{index}" for index in range(16)]
_MACHINE = catalog_machine("h100-amx-dimm-ndp")


def _striped(builder: ProgramBuilder, at: int = 0, size: int = _SLICE) -> list[Access]:
    return [builder.read(f"{dimm}.dram", size, at) for dimm in _DIMMS]


def _fetch(builder: ProgramBuilder, lane: str, sources: list[Access], at: int = 0) -> None:
    """A copy of all `sources` into the GPU's memory, from offset `at` on."""
    pairs: list[Access] = []
    for source in sources:
        pairs += [source, builder.write("gpu.hbm", source.bytes, at)]
        at += source.bytes
    builder.copy(lane, *pairs)


@TABLE.add("dimm-ndp-local-read", "a module's core reads its own DRAM, four ranks together", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    for turn in range(3):
        builder.stream("dimm5.core.main", builder.read("dimm5.dram", 1000 * _KB, turn * 1024 * _KB))


@TABLE.add("dimm-all-ndps-at-once", "sixteen cores read their own DRAM: eight channels carry nothing", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    for index, dimm in enumerate(_DIMMS):
        builder.stream(f"{dimm}.core.main", builder.read(f"{dimm}.dram", (200 + 20 * index) * _KB))


@TABLE.add("dimm-host-reads-striped", "the CPU reads experts that lie on all modules: eight channels", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    for turn in range(3):
        builder.stream("host.cpu.main", *_striped(builder, turn * 128 * _KB))


@TABLE.add("dimm-host-kernel-striped", "one kernel over two such experts of long slices", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    size = 400 * _KB
    builder.stream("host.cpu.main", *_striped(builder, 0, size))
    builder.go_on("host.cpu.main", *_striped(builder, 512 * _KB, size))


@TABLE.add("dimm-host-reads-localized", "the CPU reads an expert on one module: its channel's rate", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    for turn in range(2):
        builder.stream("host.cpu.main", builder.read("dimm3.dram", 750 * _KB, turn * 1024 * _KB))


@TABLE.add("dimm-host-reads-one-channel", "the CPU reads both modules of one channel, which they share", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    builder.stream("host.cpu.main", builder.read("dimm6.dram", 500 * _KB), builder.read("dimm7.dram", 500 * _KB))


@TABLE.add("dimm-gpu-fetches-striped", "the GPU fetches an expert from all modules: PCIe limits", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    for turn in range(2):
        _fetch(builder, "gpu.dma.weights", _striped(builder, turn * 128 * _KB), turn * 2048 * _KB)


@TABLE.add("dimm-gpu-fetches-localized", "the GPU fetches an expert from one module: its channel limits", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    _fetch(builder, "gpu.dma.weights", [builder.read("dimm9.dram", 1500 * _KB)])


@TABLE.add("dimm-host-against-ndp", "the CPU and a module's core read one DRAM at once", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    builder.stream("host.cpu.main", builder.read("dimm2.dram", 700 * _KB))
    for turn in range(3):
        builder.stream("dimm2.core.main", builder.read("dimm2.dram", 400 * _KB, (1024 + 512 * turn) * _KB))


@TABLE.add(
    "dimm-host-against-slow-ndp-ranks",
    "the same where ranks at 51.2 GB/s are less than both want",
    catalog_machine("h100-amx-dimm-ndp", {"devices.dimm.memories.dram.peak": "51.2 GB/s"}),
)
def _(builder: ProgramBuilder) -> None:
    builder.stream("host.cpu.main", builder.read("dimm2.dram", 500 * _KB))
    builder.stream("dimm2.core.main", builder.read("dimm2.dram", 800 * _KB, 1024 * _KB))


@TABLE.add("dimm-host-striped-against-all-ndps", "the CPU reads striped while every core reads its own DRAM", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    for turn in range(2):
        builder.stream("host.cpu.main", *_striped(builder, turn * 128 * _KB))
    for dimm in _DIMMS:
        builder.stream(f"{dimm}.core.main", builder.read(f"{dimm}.dram", 300 * _KB, 1024 * _KB))


@TABLE.add("dimm-gpu-and-host-striped", "the GPU's and the CPU's striped experts share the channels", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    _fetch(builder, "gpu.dma.weights", _striped(builder, 0, 48 * _KB))
    for turn in range(2):
        builder.stream("host.cpu.main", *_striped(builder, (128 + turn * 128) * _KB))


@TABLE.add("dimm-gpu-and-host-localized", "the GPU and the CPU fetch from one channel", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    _fetch(builder, "gpu.dma.weights", [builder.read("dimm4.dram", 500 * _KB)])
    builder.stream("host.cpu.main", builder.read("dimm5.dram", 500 * _KB))


@TABLE.add(
    "dimm-activations-by-the-host", "rows to the cores and back, to the host's cache and back, by tokens", _MACHINE
)
def _(builder: ProgramBuilder) -> None:
    lane = "gpu.dma.activations"
    for turn in range(4):
        sent, done = 2 * turn, 2 * turn + 1
        rows = [pair(builder, "gpu.hbm", f"{dimm}.dram", 8192) for dimm in _DIMMS[:4]]
        builder.copy(lane, *(access for pair in rows for access in pair)).signal(lane, sent)
        for dimm in _DIMMS[:4]:
            builder.wait(f"{dimm}.core.main", sent)
            builder.stream(f"{dimm}.core.main", builder.read(f"{dimm}.dram", 200 * _KB, 1024 * _KB))
            builder.signal(f"{dimm}.core.main", done)
        builder.copy(lane, *pair(builder, "gpu.hbm", "host.llc", 65_536))
        builder.wait(lane, done)
        rows = [pair(builder, f"{dimm}.dram", "gpu.hbm", 8192) for dimm in _DIMMS[:4]]
        builder.copy(lane, *(access for pair in rows for access in pair))
        builder.copy(lane, *pair(builder, "host.llc", "gpu.hbm", 65_536))


@TABLE.add("dimm-link-copy", "an expert moves from one module to another", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    builder.copy("dimm0.link.copies", *pair(builder, "dimm0.dram", "dimm8.dram", 600 * _KB))
    builder.copy("dimm0.link.copies", *pair(builder, "dimm0.dram", "dimm1.dram", 600 * _KB))


@TABLE.add("dimm-link-scatter", "relayout: an expert on one module becomes striped", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    builder.copy("dimm4.link.copies", *_relayout(builder, "dimm4", out=True))


@TABLE.add("dimm-link-gather", "relayout: a striped expert becomes one module's", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    builder.copy("dimm4.link.copies", *_relayout(builder, "dimm4", out=False))


@TABLE.add(
    "dimm-link-many-at-once", "four modules scatter theirs at once: each port carries one way and the other", _MACHINE
)
def _(builder: ProgramBuilder) -> None:
    for index in (0, 5, 10, 15):
        builder.copy(f"dimm{index}.link.copies", *_relayout(builder, f"dimm{index}", out=True, at=index * 2048 * _KB))


@TABLE.add("dimm-link-against-ndps", "a relayout under way while the cores read the same DRAMs", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    builder.copy("dimm4.link.copies", *_relayout(builder, "dimm4", out=True))
    for dimm in ("dimm4", "dimm5", "dimm12"):
        for turn in range(4):
            at = (8192 + 1024 * turn) * _KB
            builder.stream(f"{dimm}.core.main", builder.read(f"{dimm}.dram", 900 * _KB, at))


@TABLE.add("dimm-link-against-host", "a relayout does not take from the channel, only from the DRAM", _MACHINE)
def _(builder: ProgramBuilder) -> None:
    builder.copy("dimm4.link.copies", *_relayout(builder, "dimm4", out=True))
    for turn in range(2):
        builder.stream("host.cpu.main", builder.read("dimm4.dram", 700 * _KB, (8192 + 1024 * turn) * _KB))


def _relayout(builder: ProgramBuilder, home: str, out: bool, at: int = 0) -> list[Access]:
    """Pairs of one expert between `home`, where it is whole, and its slices on all modules."""
    pairs: list[Access] = []
    for index, dimm in enumerate(_DIMMS):
        whole, part = (f"{home}.dram", at + index * _SLICE), (f"{dimm}.dram", at + 4096 * _KB)
        source, target = (whole, part) if out else (part, whole)
        pairs += [builder.read(source[0], _SLICE, source[1]), builder.write(target[0], _SLICE, target[1])]
    return pairs
