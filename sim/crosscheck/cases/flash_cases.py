"""A drive of flash memory: its queue, pages, writes, and the way to the GPU, straight and by way of the host."""

from __future__ import annotations

from dataclasses import replace

from moe_cosim.hw_models.components import Link, Memory, Switch, Unit
from moe_cosim.hw_models.flash.description import shares
from moe_cosim.hw_models.flash.flash_memory import FlashMemory
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import Case, CaseTable
from moe_cosim.sim.crosscheck.cases.transfers import catalog_machine, pair
from moe_cosim.sim.crosscheck.cases.whole_steps import MODELS, whole_steps
from moe_cosim.workloads.programs.builder import ProgramBuilder

TABLE = CaseTable()

_MB = 1_000_000
_PAGE = 4096
_US = 1_000_000


def _drive(depth: int = 1024) -> Machine:
    """8 dies that are busy for 40 us with a page at random, 8 us in a run; 70 us to the first byte, 15 us of a write.
    A command is a page."""
    queue = Unit("ssd.dma", "dma", ("weights", "prefetch"), "ssd.nand", depth * _PAGE, command_bytes=_PAGE)
    rates = shares(_PAGE, 4.096e9, (4.096e9, 0.8192e9), (2.048e9, 0.5e9), 0.0)
    flash = FlashMemory(_PAGE, 15 * _US, "direct")
    nand = Memory("ssd.nand", "flash", 1 << 38, 1 << 40, 8, _PAGE, 4.096e9, rates, 70 * _US, flash=flash)
    wires = [Link(f"{part}-wire", (part, "ssd.hub"), float("inf"), 1.0, 10_000) for part in ("ssd.dma", "ssd.nand")]
    return Machine("one drive", [queue], [nand], wires, [Switch("ssd.hub", 0, float("inf"))])


@TABLE.add("flash-read", "one long read in a deep queue: latency and the peak", _drive, line_bytes=_PAGE)
def _(builder: ProgramBuilder) -> None:
    builder.stream("ssd.dma.weights", builder.read("ssd.nand", 8 * _MB))


@TABLE.add("flash-write", "one long write: its own latency and peak", _drive, line_bytes=_PAGE)
def _(builder: ProgramBuilder) -> None:
    builder.stream("ssd.dma.weights", builder.write("ssd.nand", 8 * _MB))


@TABLE.add("flash-shallow-queue", "four pages under way: four in 70 us", lambda: _drive(4), line_bytes=_PAGE)
def _(builder: ProgramBuilder) -> None:
    builder.stream("ssd.dma.weights", builder.read("ssd.nand", 200 * _PAGE))


@TABLE.add("flash-one-by-one", "twenty reads of a page each, one after the other", lambda: _drive(1), line_bytes=_PAGE)
def _(builder: ProgramBuilder) -> None:
    for number in range(20):
        builder.stream("ssd.dma.weights", builder.read("ssd.nand", _PAGE, 9 * number * _PAGE))


@TABLE.add("flash-parts-of-pages", "100 bytes across two pages move two pages", _drive, line_bytes=_PAGE)
def _(builder: ProgramBuilder) -> None:
    for number in range(20):
        builder.stream("ssd.dma.weights", builder.read("ssd.nand", 100, (3 * number + 1) * _PAGE - 50))


@TABLE.add("flash-two-readers", "two lanes share the drive's peak", _drive, line_bytes=_PAGE)
def _(builder: ProgramBuilder) -> None:
    builder.stream("ssd.dma.weights", builder.read("ssd.nand", 8 * _MB))
    builder.stream("ssd.dma.prefetch", builder.read("ssd.nand", 4 * _MB, 16 * _MB))


@TABLE.add("flash-to-the-gpu", "an expert straight over both links", catalog_machine("rtx4090-nvme"), line_bytes=_PAGE)
def _(builder: ProgramBuilder) -> None:
    builder.copy("ssd.dma.weights", *pair(builder, "ssd.nand", "gpu.gddr", 8 * _MB))


@TABLE.add(
    "flash-by-way-of-the-host",
    "two experts into host memory, the first goes on while the second comes",
    catalog_machine("rtx4090-nvme"),
    line_bytes=_PAGE,
)
def _(builder: ProgramBuilder) -> None:
    for number in range(2):
        at = number * 8 * _MB
        builder.copy("ssd.dma.weights", *pair(builder, "ssd.nand", "host.dram", 8 * _MB, at))
        builder.signal("ssd.dma.weights", number)
        builder.wait("gpu.dma.weights", number)
        builder.copy("gpu.dma.weights", *pair(builder, "host.dram", "gpu.gddr", 8 * _MB, at))


def _steps(name: str, says: str, path: str) -> Case:
    case = whole_steps(
        name,
        says,
        {"name": "on-demand", "home": "flash"},
        "rtx4090-nvme",
        model=MODELS / "mixtral-tiny.json",
        preset="mixtral-8x7b",
        workload={"batch": 1, "prompt_tokens": 4, "output_tokens": 3},
        settings={"devices.ssd.memories.nand.path": path},
    )
    return replace(case, line_bytes=_PAGE)


CASES = (
    *TABLE.cases,
    _steps("policy-on-demand-from-flash", "every expert read from a drive into host memory, and on", "host"),
    _steps("policy-on-demand-straight-from-flash", "the same straight to the GPU", "direct"),
)
