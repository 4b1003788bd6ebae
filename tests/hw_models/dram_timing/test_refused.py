"""Descriptions and choices that cannot be: one line with the file and the field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from moe_cosim.errors import InputError
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.dram_timing.achieved import simulate_pattern
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.pattern import AccessPattern
from moe_cosim.hw_models.dram_timing.standard import read_standard, timed


@pytest.mark.parametrize("entry", timed(), ids=lambda entry: entry.name)
def test_the_catalogue_reads_and_says_its_source(entry: catalog.Entry) -> None:
    standard = read_standard(entry.name)
    assert standard.title
    assert standard.source
    assert standard.peak_bytes_per_s > 1e9


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("timings_clocks.tRAS", 75, "at most tRC (74)"),
        ("timings_clocks.tFAW", 5, "at most tFAW (5)"),
        ("timings_clocks.tREFI", 500, "at most tREFI (500)"),
        ("timings_clocks.tCCD_S", 3, "burst"),
        ("timings_clocks.tRP", 0, "at least 1 clock"),
        ("timings_clocks.tXYZ", 1, "tRCD"),
        ("organisation.bank_groups", 0, "organisation.bank_groups"),
        ("organisation.banks_per_group", 3, "a power of two"),
        ("organisation.access_bytes", 1 << 20, "row_bytes"),
        ("scope", "die", "'rank' or 'pseudo-channel'"),
        ("speed", 1, "an unknown field"),
        ("held_clocks", ["tXYZ"], "tRCD"),
        ("speeds_megatransfers_per_s", [3300, 3400], "[lowest, highest] around 3200"),
    ],
)
def test_a_standard_that_cannot_be(tmp_path: Path, field: str, value: object, named: str) -> None:
    tree: Any = yaml.safe_load(catalog.find("ddr4-3200", "dram").read_text())
    *parents, name = field.split(".")
    place = tree
    for parent in parents:
        place = place[parent]
    place[name] = value
    path = tmp_path / "dram.yaml"
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(InputError) as refused:
        read_standard(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_timing_that_is_missing(tmp_path: Path) -> None:
    tree: Any = yaml.safe_load(catalog.find("ddr4-3200", "dram").read_text())
    del tree["timings_clocks"]["tFAW"]
    path = tmp_path / "dram.yaml"
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(InputError, match="tFAW too"):
        read_standard(path)


@pytest.mark.parametrize(
    "choice",
    [{"page_policy": "ajar"}, {"refresh": "never"}, {"scheduler": "lifo"}, {"read_queue": 0}, {"drain_to": 0.9}],
)
def test_a_controller_that_cannot_be(choice: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(choice))):
        Controller(**choice)


@pytest.mark.parametrize(
    "choice",
    [
        {"order": "sorted"},
        {"starts": "here"},
        {"read_share": 1.1},
        {"streams": 0},
        {"total_bytes": 0},
        {"block_bytes": 1 << 30},
    ],
)
def test_a_pattern_that_cannot_be(choice: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(choice))):
        AccessPattern(**choice)


def test_a_refresh_that_the_standard_lacks() -> None:
    with pytest.raises(InputError, match="DDR4-3200, 8 Gb x8 has no tRFCpb"):
        simulate_pattern(read_standard("ddr4-3200"), Controller(refresh="per-bank"), AccessPattern(total_bytes=640))
