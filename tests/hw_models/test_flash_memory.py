"""Descriptions of flash memories and their queues: what they come to, and what is refused in one line."""

from __future__ import annotations

from typing import Any

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.flash.pages import command_of, command_turn_ps, die_wait_ps, paged_bytes, under_way
from moe_cosim.sim.engines.sst.graph.sizing import check_line_bytes

NAND = "devices.ssd.memories.nand"
QUEUE = "devices.ssd.units.dma.queue"


def machine(**changed: Any) -> Any:
    settings = {
        f"{NAND}.{name}" if "." not in name else f"devices.ssd.{name}": value for name, value in changed.items()
    }
    return build_machine("rtx4090-nvme", Assumptions(), settings)


def test_a_drive_is_a_memory_of_dies_and_pages() -> None:
    nand = machine().memories["ssd.nand"]
    assert (nand.kind, nand.channels, nand.interleave_bytes) == ("flash", 32, 4096)
    assert nand.peak_bytes_per_s == 7.45e9
    assert nand.first_byte_ps(writes=False) == 45_000_000
    assert nand.first_byte_ps(writes=True) == 12_500_000
    assert nand.flash is not None
    assert nand.flash.path == "host"


def test_shares_by_block_length_are_those_of_pages_of_commands_and_of_runs() -> None:
    """At 10 us a command, a block of 64 KiB takes 10 us and 8.8 us at 7.45 GB/s."""
    share = machine(command_time="10 us").memories["ssd.nand"].efficiency.share
    block = 65536
    assert float(share(4096, False)) == pytest.approx(5.734e9 / 7.45e9)
    assert float(share(block, False)) == pytest.approx(block / 7.45e9 / (10e-6 + block / 7.45e9))
    assert float(share(0, False)) == 1.0
    assert float(share(0, True)) == pytest.approx(6.9 / 7.45)
    assert float(share(4096, True)) == pytest.approx(6.349 / 7.45)


def test_a_drive_that_writes_faster_than_it_reads_has_the_peak_of_writes() -> None:
    nand = machine(write_peak="14.9 GB/s").memories["ssd.nand"]
    assert nand.peak_bytes_per_s == 14.9e9
    assert (float(nand.efficiency.share(0, False)), float(nand.efficiency.share(0, True))) == (0.5, 1.0)


def test_a_queue_is_a_window_of_its_commands() -> None:
    unit = machine().units["ssd.dma"]
    assert (unit.window_bytes, unit.command_bytes) == (32 * 131072, 131072)


@pytest.mark.parametrize(
    ("offset", "size", "block", "pages"),
    [
        *((0, 1, 0, 1), (0, 4096, 0, 1), (4095, 2, 0, 2), (1, 8192, 0, 3)),
        *((0, 5000, 1000, 5), (0, 10_000, 5000, 4), (0, 5001, 5000, 3)),
    ],
)
def test_pages_that_an_access_touches(offset: int, size: int, block: int, pages: int) -> None:
    assert paged_bytes(offset, size, block, 4096) == pages * 4096


def test_what_a_command_is_and_how_many_are_under_way() -> None:
    assert command_of(131072, 4096, 4096) == 4096
    assert command_of(131072, 1 << 20, 4096) == 131072
    assert command_of(0, 1 << 20, 4096) == 4096
    assert under_way(32 * 131072, 131072, 4096) == 32 * 4096
    assert under_way(32 * 131072, 131072, 1 << 20) == 32 * 131072
    assert command_turn_ps(100.0, 50.0, 20.0, 2.0) == 115.0


def test_the_wait_on_dies_is_exact_where_nothing_else_takes_time() -> None:
    """Without a delay beside the dies the bound is the closed network's own rate: n d / (n + d - 1) pages a time."""
    page_ps, dies = 50.0, 8
    for commands in (1, 4, 30):
        turn_ps = page_ps + die_wait_ps(commands, page_ps, dies, page_ps)
        assert commands / turn_ps == pytest.approx(commands * dies / (commands + dies - 1) / page_ps)


MISTAKES = {
    "no power of two": ({"page": "5000 B"}, "memories.nand.page: found 5 kB; allowed: a power of two from 512 B to 64"),
    "a small page": ({"page": "256 B"}, "memories.nand.page: found 256 B; allowed: a power of two from 512 B"),
    "a large page": ({"page": "128 KiB"}, "memories.nand.page: found 131.1 kB; allowed: a power of two from 512 B"),
    "no depth": ({"units.dma.queue.depth": 0}, "queue.depth: found 0; allowed: a whole number of at least 1"),
    "too deep": ({"units.dma.queue.depth": 70_000}, "queue.depth: found 70000; allowed: at most 65536"),
    "a command of parts": ({"units.dma.queue.command": "5000 B"}, "queue.command: found 5 kB; allowed: whole pages of"),
    "a huge command": ({"units.dma.queue.command": "1 GB"}, "queue.command: found 1 GB; allowed: at most 16.78 MB"),
    "pages faster than runs": ({"page_read_rate": "8 GB/s"}, "page_read_rate: found 8 GB/s; allowed: at most the peak"),
    "too many dies": (
        {"dies": 128},
        "dies: found 128 dies, each busy for 91.43 us with a page; allowed: no longer than",
    ),
    "another path": ({"path": "air"}, "memories.nand.path: found 'air'; allowed: one of direct, host"),
    "no rate": ({"read_peak": "unlimited"}, "memories.nand.read_peak: found unlimited; allowed: a limit"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_drive_that_cannot_be_is_refused_in_one_line(mistake: str) -> None:
    changed, expected = MISTAKES[mistake]
    with pytest.raises(InputError) as caught:
        machine(**changed)
    line = str(caught.value)
    assert expected in line
    assert "\n" not in line


DRIVE = """\
kind: device
title: A drive
switch:
  name: hub
  latency: {value: "0 ns", source: "test"}
  rate: {value: unlimited, source: "test"}
wires:
  latency: {value: "10 ns", source: "test"}
ports: [pcie]
memories:
  dram:
    kind: cache
    standard: sram
    capacity: {value: "1 GB", source: "test"}
    channels: {value: 1, source: "test"}
    interleave: {value: "4 KiB", source: "test"}
    peak: {value: "10 GB/s", source: "test"}
    latency: {value: "10 ns", source: "test"}
  nand:
    kind: flash
    capacity: {value: "1 GB", source: "test"}
    dies: {value: 2, source: "test"}
    page: {value: "4 KiB", source: "test"}
    read_peak: {value: "1 GB/s", source: "test"}
    write_peak: {value: "1 GB/s", source: "test"}
    page_read_rate: {value: "1 GB/s", source: "test"}
    page_write_rate: {value: "1 GB/s", source: "test"}
    command_time: {value: "0 ns", source: "test"}
    latency: {value: "20 us", source: "test"}
    write_latency: {value: "20 us", source: "test"}
    path: {value: PATH, source: "test"}
units:
  dma:
    kind: dma
    lanes: [main]
    local_memory: MEMORY
    QUEUE
"""
_QUEUE = 'queue: {depth: {value: 4, source: "test"}, command: {value: "4 KiB", source: "test"}}'
_WINDOW = 'window: {value: "16 KiB", source: "test"}'


@pytest.mark.parametrize(
    ("memory", "queue", "expected"),
    [
        ("nand", _WINDOW, "units: found no queue; allowed: a dma unit with a queue beside nand, which is flash"),
        (
            "dram",
            _QUEUE,
            "units.dma.queue: found a queue of a dma unit; allowed: one of a dma unit beside flash memory",
        ),
        ("nand", f"{_QUEUE}\n    {_WINDOW}", "units.dma.window: found both; allowed: this field, or a queue"),
        ("nand", "energy: {}", "units.dma.window: found nothing; allowed: this field, or a queue"),
    ],
)
def test_a_drive_has_a_queue_and_nothing_else_has(tmp_path: Any, memory: str, queue: str, expected: str) -> None:
    text = DRIVE.replace("QUEUE", queue).replace("MEMORY", memory).replace("PATH", "direct")
    (tmp_path / "drive.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "machine.yaml").write_text(
        "kind: machine\ntitle: A drive alone\ndevices: {ssd: {device: ./drive.yaml}}\n", encoding="utf-8"
    )
    with pytest.raises(InputError) as caught:
        build_machine(tmp_path / "machine.yaml", Assumptions())
    assert expected in str(caught.value)


def test_sst_takes_whole_pages_alone() -> None:
    found = machine()
    assert check_line_bytes(found, 4096, "sst engine") == 4096
    with pytest.raises(InputError, match=r"line_size: found 256 with pages of 4096 bytes in ssd\.nand; allowed: whole"):
        check_line_bytes(found, 256, "sst engine")


def test_a_path_over_the_host_needs_host_memory(tmp_path: Any) -> None:
    text = DRIVE.replace("QUEUE", _QUEUE).replace("MEMORY", "nand").replace("PATH", "host")
    (tmp_path / "drive.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "machine.yaml").write_text(
        "kind: machine\ntitle: A drive alone\ndevices: {ssd: {device: ./drive.yaml}}\n", encoding="utf-8"
    )
    found = build_machine(tmp_path / "machine.yaml", Assumptions())
    with pytest.raises(InputError, match=r"nand\.path: found 'host'; allowed: direct: the machine has no host memory"):
        found.bounce_memory("ssd.nand", "ssd.dram")
