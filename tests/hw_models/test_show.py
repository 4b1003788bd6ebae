"""The machine as text."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_with_origins
from moe_cosim.hw_models.show import render


def _text(name, settings=None, with_origins=True):
    machine, origins = build_with_origins(name, Assumptions({"cxl-link-rate": "32 GB/s"}), settings)
    out = StringIO()
    Console(file=out, width=400).print(render(machine, origins if with_origins else ()))
    return out.getvalue()


def test_peak_and_achievable_rate_of_every_memory_and_link():
    text = _text("h100-cxl-ndp")
    assert "peak 3.35 TB/s, achievable 3.119 TB/s read" in text
    assert "512 GB, 8 channels interleaved by 256 B, peak 512 GB/s, achievable 468.5 GB/s read" in text
    assert "gpu-cxl: gpu.xbar - cxl.ports, peak 32 GB/s each way, payload 32 GB/s, 75 ns" in text


def test_addresses_assumptions_and_origins():
    text = _text("h100-cxl-ndp", {"devices.ndp.memories.dram.capacity": "256 GB"})
    assert "0x20000000000" in text
    (assumption,) = [line for line in text.splitlines() if "cxl-link-rate" in line and "25.9 GB/s .. 64 GB/s" in line]
    assert "32 GB/s" in assumption
    (origin,) = [line for line in text.splitlines() if "devices.ndp.memories.dram.capacity" in line]
    assert "set by the experiment" in origin


def test_without_origins_and_with_a_count():
    text = _text("h100-cxl-ndp", {"devices.ndp.count": 2}, with_origins=False)
    assert "ndp1" in text
    assert "devices." not in text


def test_a_bracket_in_a_title_is_not_markup(write):
    machine, _ = build_with_origins(write(machine=("test machine", "'a [bold]machine'")), Assumptions())
    out = StringIO()
    Console(file=out, width=400).print(render(machine))
    assert "a [bold]machine" in out.getvalue()
