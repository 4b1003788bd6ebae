"""A link's protocol in a description: what it gives, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.hw_models.build import build_machine

LINK = """kind: link
title: a link
protocol: {flit: 68, lanes: 16, rate: "32 GT/s"}
latency: {value: "75 ns", source: "test"}
"""
MACHINE = """kind: machine
title: two devices
devices:
  gpu: {device: h100-sxm}
  memory: {device: cxl-type3}
links:
  wire: {link: ./wire.yaml, ends: [gpu.pcie, memory.pcie]}
"""


def build(folder: Path, link: str):
    (folder / "wire.yaml").write_text(link)
    (folder / "machine.yaml").write_text(MACHINE)
    return build_machine(str(folder / "machine.yaml"), Assumptions()).links["wire"]


def test_rate_of_reads_follows_from_the_flits(tmp_path: Path):
    found = build(tmp_path, LINK)
    assert found.peak_bytes_per_s == 64e9
    assert found.bytes_per_s == pytest.approx(4 / 5 * 64 / 68 * 64e9)


def test_the_catalogues_link_reads_what_was_measured():
    link = build_machine("h100-cxl-memory-flit68", Assumptions()).links["gpu-memory"]
    assert link.bytes_per_s == pytest.approx(48.0e9, rel=0.01)


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("flit: 68", "flit: 128", "protocol.flit: found 128; allowed: 68, 256, 256-latency-optimized"),
        ("lanes: 16", "lanes: 0", "protocol.lanes: found 0; allowed: a whole number of at least 1"),
        ("lanes: 16", "lanes: 3", "protocol.lanes: found 3; allowed: 1, 2, 4, 8 or 16"),
        ("32 GT/s", "33 GT/s", "protocol.rate: found '33 GT/s'; allowed: one of 16 GT/s, 32 GT/s, 64 GT/s"),
        ("32 GT/s", "64 GT/s", "protocol.flit: found '68'; allowed: 256 or 256-latency-optimized at 64 GT/s"),
        (
            "lanes: 16",
            'lanes: 16, credits: {value: 0, source: "test"}',
            "protocol.credits: found 0; allowed: a whole number",
        ),
        ("lanes: 16, ", "", "protocol.lanes: found nothing; allowed: this field must be given"),
        ("lanes: 16", "lanes: 16, crc: 2", "protocol.crc: found an unknown field"),
        ("latency:", 'peak: {value: "64 GB/s", source: "test"}\nlatency:', "peak: found an unknown field"),
    ],
)
def test_what_cannot_be_is_one_line_with_file_and_field(tmp_path: Path, was: str, becomes: str, says: str):
    assert was in LINK
    with pytest.raises(InputError) as caught:
        build(tmp_path, LINK.replace(was, becomes))
    line = str(caught.value)
    assert says in line
    assert "wire.yaml" in line
    assert "\n" not in line
