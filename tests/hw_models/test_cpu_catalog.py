"""Processors of the catalogue: what their figures say together."""

from __future__ import annotations

from pathlib import Path

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.components import Memory
from moe_cosim.hw_models.formats import BF16, find_format
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.hw_models.units.cpu import CpuKernels

PROCESSORS = [
    entry.name
    for entry in catalog.entries("device")
    if "cpu" in catalog.read(entry.path, "device").get("units", {}) and entry.name != "xeon-8470-bare"
]


def processor(name: str, folder: Path) -> tuple[CpuKernels, Memory]:
    path = folder / "machine.yaml"
    path.write_text(
        f"kind: machine\ntitle: test\ndevices:\n  gpu: {{device: rtx-4090}}\n  host: {{device: {name}}}\n"
        "links:\n  wire: {link: pcie4-x16, ends: [gpu.pcie, host.pcie]}\n"
    )
    machine = build_machine(path, Assumptions())
    model = machine.units["host.cpu"].model
    assert isinstance(model, CpuKernels)
    return model, machine.memories["host.dram"]


def test_the_processors_that_people_measure_are_there() -> None:
    wanted = {"xeon-6454s", "xeon-8452y", "xeon-8470", "xeon-8480", "xeon-6126", "xeon-6138", "epyc-9654"}
    assert {*wanted, "xeon-6454s-x2", "xeon-6138-x2", "ryzen-7950x", "threadripper-7965wx"} <= set(PROCESSORS)


@pytest.mark.parametrize("name", PROCESSORS)
def test_kernels_and_memory_agree_about_the_channels(name: str, tmp_path: Path) -> None:
    """The kernels' channels are the memory's, and what kernels reach alone is no more than what the memory gives."""
    model, memory = processor(name, tmp_path)
    assert model.sockets.count * model.memory_bytes_per_s == pytest.approx(memory.peak_bytes_per_s)
    assert model.memory_share <= float(memory.efficiency.share(0, False))


@pytest.mark.parametrize(
    ("name", "cores", "transfers_per_s", "channels"),
    [
        ("xeon-6454s", 32, 4800e6, 8),
        ("xeon-8480", 56, 4800e6, 8),
        ("xeon-6126-x2", 12, 2666.7e6, 12),
        ("xeon-6138", 20, 2666.7e6, 6),
        ("epyc-9654", 96, 4800e6, 12),
        ("ryzen-7950x", 16, 5200e6, 2),
        ("threadripper-7965wx", 24, 4800e6, 8),
    ],
)
def test_published_figures(name: str, cores: int, transfers_per_s: float, channels: int, tmp_path: Path) -> None:
    model, memory = processor(name, tmp_path)
    assert model.cores == cores
    assert memory.channels == channels * (1 if transfers_per_s < 3200e6 else 2)  # a DDR5 channel has two sub-channels
    assert memory.peak_bytes_per_s == pytest.approx(channels * 8 * transfers_per_s, rel=1e-4)


def test_amx_reaches_what_is_measured_on_36_cores(tmp_path: Path) -> None:
    """21.3 TFLOP/s in BF16 and 35 TOP/s in INT8 (KTransformers, doc/en/AMX.md)."""
    model, _ = processor("xeon-8452y", tmp_path)
    shape, tokens = ExpertShape(7168, 2048), 4096
    for weights, rate in ((BF16, 21.3e12), (find_format("int8-w8a8"), 35e12)):
        seconds = int(model.expert_ps(tokens, shape, weights)) * 1e-12
        assert 2 * shape.weights * tokens / seconds == pytest.approx(rate, rel=2e-3)


def test_the_measured_threadripper_reads_225_gb_per_s(tmp_path: Path) -> None:
    model, memory = processor("threadripper-7965wx", tmp_path)
    assert memory.peak_bytes_per_s * float(memory.efficiency.share(0, False)) == pytest.approx(225e9, rel=1e-3)
    shape, weights = ExpertShape(7168, 2048), find_format("q8_0")
    seconds = int(model.expert_ps(1, shape, weights)) * 1e-12
    assert weights.expert_bytes(shape) / seconds == pytest.approx(225e9, rel=1e-3)
