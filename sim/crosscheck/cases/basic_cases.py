"""One memory and the units beside it: rate, latency, windows, sharing, channels, tokens."""

from __future__ import annotations

from functools import partial

from moe_cosim.hw_models.components import AccessEfficiency, Link, Memory, Switch, Unit
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import CaseTable
from moe_cosim.workloads.programs.builder import ProgramBuilder

TABLE = CaseTable()

_MB = 1_000_000
_GB_PER_S = 1e9
_PEAK = AccessEfficiency((64.0, 1048576.0), (1.0, 1.0), (1.0, 1.0))
_ACHIEVED = AccessEfficiency((64.0, 4096.0, 1048576.0), (0.6, 0.85, 0.9), (0.6, 0.85, 0.88))
"""Shaped like a DRAM: short blocks reach less (the figures are the case's own)."""


def _device(
    lanes: int = 1,
    channels: int = 16,
    efficiency: AccessEfficiency = _PEAK,
    windows_kb: tuple[int, ...] = (256,),
    rate_gb_per_s: float = 512.0,
    latency_ns: int = 80,
) -> Machine:
    """Units u0, u1, ... of the given windows around one memory."""
    names = tuple(f"l{index}" for index in range(lanes))
    units = [Unit(f"dev.u{i}", "gpu", names, "dev.mem", kb * 1024.0) for i, kb in enumerate(windows_kb)]
    memory = Memory(
        "dev.mem", "hbm", 1 << 34, 1 << 40, channels, 256, rate_gb_per_s * _GB_PER_S, efficiency, latency_ns * 1000
    )
    wires = [
        Link(f"{part}-wire", (part, "dev.hub"), float("inf"), 1.0, 10_000)
        for part in [*(u.name for u in units), memory.name]
    ]
    return Machine("one device", units, [memory], wires, [Switch("dev.hub", 0, float("inf"))])


def _streams(builder: ProgramBuilder, *rows: tuple[str, int, str], repeat: int = 1) -> None:
    """(lane, bytes, "r" or "w") each `repeat` times, at addresses of their own."""
    offset = 0
    for _ in range(repeat):
        for lane, size, op in rows:
            access = builder.read if op == "r" else builder.write
            builder.stream(lane, access("dev.mem", size, offset))
            offset += -(-size // 4096) * 4096


@TABLE.add("read-one-stream", "one long read: latency and the memory's peak", _device)
def _(builder: ProgramBuilder) -> None:
    _streams(builder, ("dev.u0.l0", 8 * _MB, "r"))


@TABLE.add("read-one-stream-64B", "the same in lines of 64 bytes", _device, line_bytes=64)
def _(builder: ProgramBuilder) -> None:
    _streams(builder, ("dev.u0.l0", 4 * _MB, "r"))


@TABLE.add("read-one-stream-4KiB", "the same in lines of 4 KiB", partial(_device, windows_kb=(1024,)), line_bytes=4096)
def _(builder: ProgramBuilder) -> None:
    _streams(builder, ("dev.u0.l0", 32 * _MB, "r"))


@TABLE.add("read-achieved-share", "a memory that reaches 90 % of its peak", partial(_device, efficiency=_ACHIEVED))
def _(builder: ProgramBuilder) -> None:
    _streams(builder, ("dev.u0.l0", 8 * _MB, "r"))


@TABLE.add("write-one-stream", "one long write", partial(_device, efficiency=_ACHIEVED))
def _(builder: ProgramBuilder) -> None:
    _streams(builder, ("dev.u0.l0", 8 * _MB, "w"))


@TABLE.add("many-short-reads", "fifty reads of 64 KB one after the other: latency matters", _device)
def _(builder: ProgramBuilder) -> None:
    _streams(builder, ("dev.u0.l0", 65_536, "r"), repeat=50)


def _one_kernel(builder: ProgramBuilder, size: int, parts: int) -> None:
    builder.stream("dev.u0.l0", builder.read("dev.mem", size), setup_ps=1_000_000)
    for part in range(1, parts):
        builder.go_on("dev.u0.l0", builder.read("dev.mem", size, part * size))


@TABLE.add("one-kernel-of-short-reads", "fifty reads of 64 KB in one kernel: one latency", _device)
def _(builder: ProgramBuilder) -> None:
    _one_kernel(builder, 65_536, 50)


@TABLE.add("one-kernel-of-long-reads", "ten reads of 2 MB in one kernel", _device)
def _(builder: ProgramBuilder) -> None:
    _one_kernel(builder, 2 << 20, 10)


@TABLE.add(
    "one-kernel-in-a-small-window",
    "eight such reads, where the window is what limits",
    partial(_device, windows_kb=(32,)),
)
def _(builder: ProgramBuilder) -> None:
    _one_kernel(builder, 2 << 20, 10)


@TABLE.add(
    "two-kernels-of-many-reads", "two units that read in kernels of many parts", partial(_device, windows_kb=(256, 256))
)
def _(builder: ProgramBuilder) -> None:
    for unit in range(2):
        for part in range(20):
            access = builder.read("dev.mem", 300_000, (20 * unit + part) * 300_032)
            (builder.go_on if part % 10 else builder.stream)(f"dev.u{unit}.l0", access)


@TABLE.add("window-limited", "a window of 16 KB over 100 ns: 164 of 512 GB/s", partial(_device, windows_kb=(16,)))
def _(builder: ProgramBuilder) -> None:
    _streams(builder, ("dev.u0.l0", 4 * _MB, "r"))


@TABLE.add("two-lanes-one-memory", "two equal reads share the memory", partial(_device, lanes=2))
def _(builder: ProgramBuilder) -> None:
    _streams(builder, ("dev.u0.l0", 4 * _MB, "r"), ("dev.u0.l1", 4 * _MB, "r"))


@TABLE.add(
    "two-units-other-windows", "windows of 256 KB and 1 MB on one memory", partial(_device, windows_kb=(256, 1024))
)
def _(builder: ProgramBuilder) -> None:
    _streams(builder, ("dev.u0.l0", 4 * _MB, "r"), ("dev.u1.l0", 4 * _MB, "r"))


@TABLE.add("long-beside-short", "a long read, and short ones that come and go beside it", partial(_device, lanes=2))
def _(builder: ProgramBuilder) -> None:
    builder.stream("dev.u0.l0", builder.read("dev.mem", 8 * _MB))
    for index in range(8):
        builder.compute("dev.u0.l1", busy_ps=400_000)
        builder.stream("dev.u0.l1", builder.read("dev.mem", 400_000, (16 + index) * _MB))


@TABLE.add("read-beside-write", "a read and a write share the memory", partial(_device, lanes=2, efficiency=_ACHIEVED))
def _(builder: ProgramBuilder) -> None:
    _streams(builder, ("dev.u0.l0", 4 * _MB, "r"), ("dev.u0.l1", 4 * _MB, "w"))


@TABLE.add(
    "limited-beside-free", "a window-limited read leaves the rest to the other", partial(_device, windows_kb=(8, 256))
)
def _(builder: ProgramBuilder) -> None:
    _streams(builder, ("dev.u0.l0", 1 * _MB, "r"), ("dev.u1.l0", 6 * _MB, "r"))


@TABLE.add(
    "three-operands", "kernels that read weights and rows and write rows", partial(_device, efficiency=_ACHIEVED)
)
def _(builder: ProgramBuilder) -> None:
    for index in range(6):
        weights = builder.read("dev.mem", 1_500_000, index * 2 * _MB)
        rows = builder.read("dev.mem", 200_000, 40 * _MB), builder.write("dev.mem", 200_000, 50 * _MB)
        builder.stream("dev.u0.l0", weights, *rows, setup_ps=500_000)


@TABLE.add("compute-hides-traffic", "kernels whose compute is longer, and kernels whose traffic is", _device)
def _(builder: ProgramBuilder) -> None:
    for index in range(10):
        busy_ps = 1_500_000 if index % 2 else 5_000_000
        builder.stream("dev.u0.l0", builder.read("dev.mem", 1 * _MB, index * 2 * _MB), busy_ps=busy_ps)


@TABLE.add("short-range-few-channels", "reads of 1 KB touch 4 of 16 channels", partial(_device, rate_gb_per_s=64.0))
def _(builder: ProgramBuilder) -> None:
    _streams(builder, ("dev.u0.l0", 1024, "r"), repeat=60)


@TABLE.add("copy-inside-one-memory", "a copy reads and writes the same memory", partial(_device, efficiency=_ACHIEVED))
def _(builder: ProgramBuilder) -> None:
    builder.copy("dev.u0.l0", builder.read("dev.mem", 4 * _MB), builder.write("dev.mem", 4 * _MB, 8 * _MB))


@TABLE.add("signal-chain", "two lanes take turns by tokens", partial(_device, windows_kb=(256, 256)))
def _(builder: ProgramBuilder) -> None:
    for turn in range(12):
        builder.stream("dev.u0.l0", builder.read("dev.mem", 300_000, turn * _MB))
        builder.signal("dev.u0.l0", 2 * turn).wait("dev.u0.l0", 2 * turn + 1)
        builder.wait("dev.u1.l0", 2 * turn)
        builder.stream("dev.u1.l0", builder.read("dev.mem", 200_000, (20 + turn) * _MB))
        builder.signal("dev.u1.l0", 2 * turn + 1)


@TABLE.add("barrier-of-four", "four lanes meet at a token of four signals, four times", partial(_device, lanes=4))
def _(builder: ProgramBuilder) -> None:
    for turn in range(4):
        for lane in range(4):
            name = f"dev.u0.l{lane}"
            builder.stream(name, builder.read("dev.mem", (lane + 1) * 250_000, (8 * turn + 2 * lane) * _MB))
            builder.signal(name, turn).wait(name, turn)
