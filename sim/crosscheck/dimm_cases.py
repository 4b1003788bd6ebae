"""Machines with NDP-DIMMs on a host's channels: layouts, contention on DIMMs and channels, DIMM-Link, policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from moe_cosim.assumptions import Assumptions
from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import case
from moe_cosim.sim.crosscheck.system_cases import MODELS
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.program import Program
from moe_cosim.workloads.program_builder import Access, ProgramBuilder

_KB: Final = 1000
_SLICE: Final = 96_000
"""Bytes on each module of the striped transfers: 1.5 MB in all, as an expert of a small model."""
_DIMMS: Final = [f"dimm{index}" for index in range(16)]

_FREE_HUB: Final = {"devices.host.switch.rate": "unlimited"}
"""Of the edge host: SST's router limits its ports, not what all of them carry together."""


def _machine() -> Machine:
    return build_machine("h100-amx-dimm-ndp", Assumptions())


def _striped(builder: ProgramBuilder, at: int = 0, size: int = _SLICE) -> list[Access]:
    return [builder.read(f"{dimm}.dram", size, at) for dimm in _DIMMS]


def _fetch(builder: ProgramBuilder, lane: str, sources: list[Access], at: int = 0) -> None:
    """A copy of all `sources` into the GPU's memory, from offset `at` on."""
    pairs: list[Access] = []
    for source in sources:
        pairs += [source, builder.write("gpu.hbm", source.bytes, at)]
        at += source.bytes
    builder.copy(lane, *pairs)


@case("dimm-ndp-local-read", "a module's core reads its own DRAM, four ranks together")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    for turn in range(3):
        builder.stream("dimm5.core.main", builder.read("dimm5.dram", 1000 * _KB, turn * 1024 * _KB))
    return machine, builder.build()


@case("dimm-all-ndps-at-once", "sixteen cores read their own DRAM: eight channels carry nothing")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    for index, dimm in enumerate(_DIMMS):
        builder.stream(f"{dimm}.core.main", builder.read(f"{dimm}.dram", (200 + 20 * index) * _KB))
    return machine, builder.build()


@case("dimm-host-reads-striped", "the CPU reads experts that lie on all modules: 307.2 GB/s")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    for turn in range(3):
        builder.stream("host.cpu.main", *_striped(builder, turn * 128 * _KB))
    return machine, builder.build()


@case("dimm-host-reads-localized", "the CPU reads an expert on one module: its channel's 38.4 GB/s")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    for turn in range(2):
        builder.stream("host.cpu.main", builder.read("dimm3.dram", 750 * _KB, turn * 1024 * _KB))
    return machine, builder.build()


@case("dimm-host-reads-one-channel", "the CPU reads both modules of one channel, which they share")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    builder.stream("host.cpu.main", builder.read("dimm6.dram", 500 * _KB), builder.read("dimm7.dram", 500 * _KB))
    return machine, builder.build()


@case("dimm-gpu-fetches-striped", "the GPU fetches an expert from all modules: PCIe limits")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    for turn in range(2):
        _fetch(builder, "gpu.dma.weights", _striped(builder, turn * 128 * _KB), turn * 2048 * _KB)
    return machine, builder.build()


@case("dimm-gpu-fetches-localized", "the GPU fetches an expert from one module: its channel limits")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    _fetch(builder, "gpu.dma.weights", [builder.read("dimm9.dram", 1500 * _KB)])
    return machine, builder.build()


@case("dimm-host-against-ndp", "the CPU and a module's core read one DRAM at once")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    builder.stream("host.cpu.main", builder.read("dimm2.dram", 700 * _KB))
    for turn in range(3):
        builder.stream("dimm2.core.main", builder.read("dimm2.dram", 400 * _KB, (1024 + 512 * turn) * _KB))
    return machine, builder.build()


@case("dimm-host-against-slow-ndp-ranks", "the same where ranks at 51.2 GB/s are less than both want")
def _() -> tuple[Machine, Program]:
    machine = build_machine("h100-amx-dimm-ndp", Assumptions(), {"devices.dimm.memories.dram.peak": "51.2 GB/s"})
    builder = ProgramBuilder(machine)
    builder.stream("host.cpu.main", builder.read("dimm2.dram", 500 * _KB))
    builder.stream("dimm2.core.main", builder.read("dimm2.dram", 800 * _KB, 1024 * _KB))
    return machine, builder.build()


@case("dimm-host-striped-against-all-ndps", "the CPU reads striped while every core reads its own DRAM")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    for turn in range(2):
        builder.stream("host.cpu.main", *_striped(builder, turn * 128 * _KB))
    for dimm in _DIMMS:
        builder.stream(f"{dimm}.core.main", builder.read(f"{dimm}.dram", 300 * _KB, 1024 * _KB))
    return machine, builder.build()


@case("dimm-gpu-and-host-striped", "the GPU's and the CPU's striped experts share the channels")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    _fetch(builder, "gpu.dma.weights", _striped(builder, 0, 48 * _KB))
    for turn in range(2):
        builder.stream("host.cpu.main", *_striped(builder, (128 + turn * 128) * _KB))
    return machine, builder.build()


@case("dimm-gpu-and-host-localized", "the GPU and the CPU fetch from one channel")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    _fetch(builder, "gpu.dma.weights", [builder.read("dimm4.dram", 500 * _KB)])
    builder.stream("host.cpu.main", builder.read("dimm5.dram", 500 * _KB))
    return machine, builder.build()


@case("dimm-activations-by-the-host", "rows to the cores and back, to the host's cache and back, by tokens")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    lane = "gpu.dma.activations"
    for turn in range(4):
        sent, done = 2 * turn, 2 * turn + 1
        rows = [(builder.read("gpu.hbm", 8192), builder.write(f"{dimm}.dram", 8192)) for dimm in _DIMMS[:4]]
        builder.copy(lane, *(access for pair in rows for access in pair)).signal(lane, sent)
        for dimm in _DIMMS[:4]:
            builder.wait(f"{dimm}.core.main", sent)
            builder.stream(f"{dimm}.core.main", builder.read(f"{dimm}.dram", 200 * _KB, 1024 * _KB))
            builder.signal(f"{dimm}.core.main", done)
        builder.copy(lane, builder.read("gpu.hbm", 65_536), builder.write("host.llc", 65_536))
        builder.wait(lane, done)
        rows = [(builder.read(f"{dimm}.dram", 8192), builder.write("gpu.hbm", 8192)) for dimm in _DIMMS[:4]]
        builder.copy(lane, *(access for pair in rows for access in pair))
        builder.copy(lane, builder.read("host.llc", 65_536), builder.write("gpu.hbm", 65_536))
    return machine, builder.build()


@case("dimm-link-copy", "an expert moves from one module to another")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    builder.copy("dimm0.link.copies", builder.read("dimm0.dram", 600 * _KB), builder.write("dimm8.dram", 600 * _KB))
    builder.copy("dimm0.link.copies", builder.read("dimm0.dram", 600 * _KB), builder.write("dimm1.dram", 600 * _KB))
    return machine, builder.build()


@case("dimm-link-scatter", "relayout: an expert on one module becomes striped")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    builder.copy("dimm4.link.copies", *_relayout(builder, "dimm4", out=True))
    return machine, builder.build()


@case("dimm-link-gather", "relayout: a striped expert becomes one module's")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    builder.copy("dimm4.link.copies", *_relayout(builder, "dimm4", out=False))
    return machine, builder.build()


@case("dimm-link-many-at-once", "four modules scatter theirs at once: each port carries one way and the other")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    for index in (0, 5, 10, 15):
        builder.copy(f"dimm{index}.link.copies", *_relayout(builder, f"dimm{index}", out=True, at=index * 2048 * _KB))
    return machine, builder.build()


@case("dimm-link-against-ndps", "a relayout under way while the cores read the same DRAMs")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    builder.copy("dimm4.link.copies", *_relayout(builder, "dimm4", out=True))
    for dimm in ("dimm4", "dimm5", "dimm12"):
        for turn in range(4):
            at = (8192 + 1024 * turn) * _KB
            builder.stream(f"{dimm}.core.main", builder.read(f"{dimm}.dram", 900 * _KB, at))
    return machine, builder.build()


@case("dimm-link-against-host", "a relayout does not take from the channel, only from the DRAM")
def _() -> tuple[Machine, Program]:
    machine = _machine()
    builder = ProgramBuilder(machine)
    builder.copy("dimm4.link.copies", *_relayout(builder, "dimm4", out=True))
    for turn in range(2):
        builder.stream("host.cpu.main", builder.read("dimm4.dram", 700 * _KB, (8192 + 1024 * turn) * _KB))
    return machine, builder.build()


def _relayout(builder: ProgramBuilder, home: str, out: bool, at: int = 0) -> list[Access]:
    """Pairs of one expert between `home`, where it is whole, and its slices on all modules."""
    pairs: list[Access] = []
    for index, dimm in enumerate(_DIMMS):
        whole, part = (f"{home}.dram", at + index * _SLICE), (f"{dimm}.dram", at + 4096 * _KB)
        source, target = (whole, part) if out else (part, whole)
        pairs += [builder.read(source[0], _SLICE, source[1]), builder.write(target[0], _SLICE, target[1])]
    return pairs


# -- whole steps ------------------------------------------------------------------------------

_TINY: Final = MODELS / "qwen3-tiny.json"
"""Qwen3's shape with 2 layers of 64 experts and an eighth of the width."""


def _prepared(
    policy: str | Mapping[str, Any],
    machine: str = "h100-amx-dimm-ndp",
    settings: Mapping[str, Any] | None = None,
    **more: Any,
) -> tuple[Machine, Program]:
    experiment = Experiment.model_validate(
        {
            "name": "crosscheck",
            "machine": {"use": machine, "set": dict(settings or {})},
            "model": str(_TINY),
            "routing": {"source": "generator", "preset": "qwen3-30b"},
            "workload": {"batch": 8, "prompt_tokens": 8, "output_tokens": 3},
            "policy": {"name": policy} if isinstance(policy, str) else dict(policy),
            **more,
        }
    )
    prepared = prepare(experiment)
    return prepared.machine, prepared.program


@case("policy-trimoe", "GPU, CPU and modules share the experts; KV cache in the DIMMs")
def _() -> tuple[Machine, Program]:
    return _prepared("trimoe", kv_cache="near-data")


@case("policy-trimoe-relayout", "few experts on the GPU, more tokens: layouts change over DIMM-Link")
def _() -> tuple[Machine, Program]:
    workload = {"batch": 48, "prompt_tokens": 8, "output_tokens": 3}
    return _prepared({"name": "trimoe", "gpu_experts": 4}, kv_cache="near-data", workload=workload)


@case("policy-monde-dimm", "weights to the GPU beside kernels on the modules")
def _() -> tuple[Machine, Program]:
    return _prepared("monde-dimm", kv_cache="near-data")


@case("policy-ktransformers", "experts on the CPU from striped memory")
def _() -> tuple[Machine, Program]:
    return _prepared("ktransformers", kv_cache="near-data")


@case("policy-klotski", "experts fetched behind a batch of batches")
def _() -> tuple[Machine, Program]:
    return _prepared("klotski", kv_cache="near-data")


@case("policy-fiddler", "cold experts on the CPU, from the DIMMs")
def _() -> tuple[Machine, Program]:
    return _prepared("fiddler", workload={"batch": 1, "prompt_tokens": 8, "output_tokens": 3})


@case("policy-edge-ndp", "tensor parallelism over four modules of the edge machine, its hub unlimited")
def _() -> tuple[Machine, Program]:
    workload = {"batch": 1, "prompt_tokens": 8, "output_tokens": 3}
    return _prepared("edge-ndp", "rtx5080-dimm-ndp-4", _FREE_HUB, workload=workload)
