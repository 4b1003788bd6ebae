"""One memory and the units beside it: rate, latency, windows, sharing, channels, tokens."""

from __future__ import annotations

from moe_cosim.hw_models.components import AccessEfficiency, Link, Memory, Switch, Unit
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import case
from moe_cosim.workloads.program import Program
from moe_cosim.workloads.program_builder import ProgramBuilder

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


def _streams(machine: Machine, *rows: tuple[str, int, str], repeat: int = 1) -> tuple[Machine, Program]:
    """(lane, bytes, "r" or "w") each `repeat` times, at addresses of their own."""
    builder = ProgramBuilder(machine)
    offset = 0
    for _ in range(repeat):
        for lane, size, op in rows:
            access = builder.read if op == "r" else builder.write
            builder.stream(lane, access("dev.mem", size, offset))
            offset += -(-size // 4096) * 4096
    return machine, builder.build()


@case("read-one-stream", "one long read: latency and the memory's peak")
def _() -> tuple[Machine, Program]:
    return _streams(_device(), ("dev.u0.l0", 8 * _MB, "r"))


@case("read-one-stream-64B", "the same in lines of 64 bytes", line_bytes=64)
def _() -> tuple[Machine, Program]:
    return _streams(_device(), ("dev.u0.l0", 4 * _MB, "r"))


@case("read-one-stream-4KiB", "the same in lines of 4 KiB", line_bytes=4096)
def _() -> tuple[Machine, Program]:
    return _streams(_device(windows_kb=(1024,)), ("dev.u0.l0", 32 * _MB, "r"))


@case("read-achieved-share", "a memory that reaches 90 % of its peak")
def _() -> tuple[Machine, Program]:
    return _streams(_device(efficiency=_ACHIEVED), ("dev.u0.l0", 8 * _MB, "r"))


@case("write-one-stream", "one long write")
def _() -> tuple[Machine, Program]:
    return _streams(_device(efficiency=_ACHIEVED), ("dev.u0.l0", 8 * _MB, "w"))


@case("many-short-reads", "fifty reads of 64 KB one after the other: latency matters")
def _() -> tuple[Machine, Program]:
    return _streams(_device(), ("dev.u0.l0", 65_536, "r"), repeat=50)


@case("window-limited", "a window of 16 KB over 100 ns: 164 of 512 GB/s")
def _() -> tuple[Machine, Program]:
    return _streams(_device(windows_kb=(16,)), ("dev.u0.l0", 4 * _MB, "r"))


@case("two-lanes-one-memory", "two equal reads share the memory")
def _() -> tuple[Machine, Program]:
    machine = _device(lanes=2)
    return _streams(machine, ("dev.u0.l0", 4 * _MB, "r"), ("dev.u0.l1", 4 * _MB, "r"))


@case("two-units-other-windows", "windows of 256 KB and 1 MB on one memory")
def _() -> tuple[Machine, Program]:
    machine = _device(windows_kb=(256, 1024))
    return _streams(machine, ("dev.u0.l0", 4 * _MB, "r"), ("dev.u1.l0", 4 * _MB, "r"))


@case("long-beside-short", "a long read, and short ones that come and go beside it")
def _() -> tuple[Machine, Program]:
    machine = _device(lanes=2)
    builder = ProgramBuilder(machine)
    builder.stream("dev.u0.l0", builder.read("dev.mem", 8 * _MB))
    for index in range(8):
        builder.compute("dev.u0.l1", busy_ps=400_000)
        builder.stream("dev.u0.l1", builder.read("dev.mem", 400_000, (16 + index) * _MB))
    return machine, builder.build()


@case("read-beside-write", "a read and a write share the memory")
def _() -> tuple[Machine, Program]:
    machine = _device(lanes=2, efficiency=_ACHIEVED)
    return _streams(machine, ("dev.u0.l0", 4 * _MB, "r"), ("dev.u0.l1", 4 * _MB, "w"))


@case("limited-beside-free", "a window-limited read leaves the rest to the other")
def _() -> tuple[Machine, Program]:
    machine = _device(windows_kb=(8, 256))
    return _streams(machine, ("dev.u0.l0", 1 * _MB, "r"), ("dev.u1.l0", 6 * _MB, "r"))


@case("three-operands", "kernels that read weights and rows and write rows")
def _() -> tuple[Machine, Program]:
    machine = _device(efficiency=_ACHIEVED)
    builder = ProgramBuilder(machine)
    for index in range(6):
        weights = builder.read("dev.mem", 1_500_000, index * 2 * _MB)
        rows = builder.read("dev.mem", 200_000, 40 * _MB), builder.write("dev.mem", 200_000, 50 * _MB)
        builder.stream("dev.u0.l0", weights, *rows, setup_ps=500_000)
    return machine, builder.build()


@case("compute-hides-traffic", "kernels whose compute is longer, and kernels whose traffic is")
def _() -> tuple[Machine, Program]:
    machine = _device()
    builder = ProgramBuilder(machine)
    for index in range(10):
        busy_ps = 1_500_000 if index % 2 else 5_000_000
        builder.stream("dev.u0.l0", builder.read("dev.mem", 1 * _MB, index * 2 * _MB), busy_ps=busy_ps)
    return machine, builder.build()


@case("short-range-few-channels", "reads of 1 KB touch 4 of 16 channels")
def _() -> tuple[Machine, Program]:
    return _streams(_device(rate_gb_per_s=64.0), ("dev.u0.l0", 1024, "r"), repeat=60)


@case("copy-inside-one-memory", "a copy reads and writes the same memory")
def _() -> tuple[Machine, Program]:
    machine = _device(efficiency=_ACHIEVED)
    builder = ProgramBuilder(machine)
    builder.copy("dev.u0.l0", builder.read("dev.mem", 4 * _MB), builder.write("dev.mem", 4 * _MB, 8 * _MB))
    return machine, builder.build()


@case("signal-chain", "two lanes take turns by tokens")
def _() -> tuple[Machine, Program]:
    machine = _device(windows_kb=(256, 256))
    builder = ProgramBuilder(machine)
    for turn in range(12):
        builder.stream("dev.u0.l0", builder.read("dev.mem", 300_000, turn * _MB))
        builder.signal("dev.u0.l0", 2 * turn).wait("dev.u0.l0", 2 * turn + 1)
        builder.wait("dev.u1.l0", 2 * turn)
        builder.stream("dev.u1.l0", builder.read("dev.mem", 200_000, (20 + turn) * _MB))
        builder.signal("dev.u1.l0", 2 * turn + 1)
    return machine, builder.build()


@case("barrier-of-four", "four lanes meet at a token of four signals, four times")
def _() -> tuple[Machine, Program]:
    machine = _device(lanes=4)
    builder = ProgramBuilder(machine)
    for turn in range(4):
        for lane in range(4):
            name = f"dev.u0.l{lane}"
            builder.stream(name, builder.read("dev.mem", (lane + 1) * 250_000, (8 * turn + 2 * lane) * _MB))
            builder.signal(name, turn).wait(name, turn)
    return machine, builder.build()
