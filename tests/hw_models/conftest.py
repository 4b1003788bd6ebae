"""A small device and machine in files of the test, to be broken one field at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

DEVICE = """\
kind: device
title: test device
switch:
  name: hub
  latency: {value: "1 ns", source: "test"}
  rate: {value: unlimited, source: "test"}
wires:
  latency: {value: "2 ns", source: "test"}
ports: [pcie]
memories:
  dram:
    kind: ndp
    standard: ddr5-4800
    capacity: {value: "64 GB", source: "test"}
    channels: {value: 4, source: "test"}
    interleave: {value: "256 B", source: "test"}
    peak: {value: "100 GB/s", source: "test"}
    latency: {value: "50 ns", source: "test"}
    sequential_read: {assume: test-share, value: 0.5, range: [0.1, 1.0], source: "test"}
units:
  core:
    kind: ndp
    lanes: [main]
    local_memory: dram
    window: {value: "1 MB", source: "test"}
    model:
      kind: systolic-arrays
      arrays: {value: 2, source: "test"}
      rows: {value: 4, source: "test"}
      columns: {value: 4, source: "test"}
      clock: {value: "1 GHz", source: "test"}
      dataflow: {assume: ndp-array-dataflow}
      bit_scaling: {assume: ndp-bit-scaling}
      launch: {value: "1 us", source: "test"}
"""

MACHINE = """\
kind: machine
title: test machine
devices:
  gpu: {device: h100-sxm}
  ndp: {device: ./device.yaml}
links:
  wire: {link: pcie4-x16, ends: [gpu.pcie, ndp.pcie]}
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write(device=(old, new), machine=(old, new)): the two files with that text replaced; the machine's path."""

    def replaced(text: str, change: tuple[str, str] | None) -> str:
        if change is None:
            return text
        assert change[0] in text
        return text.replace(change[0], change[1], 1)

    def write_both(device: tuple[str, str] | None = None, machine: tuple[str, str] | None = None) -> Path:
        (tmp_path / "device.yaml").write_text(replaced(DEVICE, device))
        path = tmp_path / "machine.yaml"
        path.write_text(replaced(MACHINE, machine))
        return path

    return write_both
