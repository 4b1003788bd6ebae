"""``validate dram``: rows of cycle-level simulations beside the timing model."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.sim.validate.conftest import Write, is_refused, validated

REFERENCE = Path(__file__).parents[4] / "shared" / "data" / "tables" / "dram_reference.csv"
ROW = {
    "standard": "DDR4",
    "preset": "DDR4_8Gb_x8+DDR4_3200AA",
    "pattern": "seq_read",
    "streams": "1",
    "block_bytes": "64",
    "read_fraction": "1.0",
    "refresh": "off",
    "mapping": "RoRaBaCoBgPc",
    "read_q": "128",
    "achieved_GBps": "25.6",
    "avg_read_latency_ns": "",
    "row_hits": "4096",
    "row_misses": "0",
    "row_conflicts": "0",
}


def test_what_ships_is_met_within_rounding() -> None:
    """Shares of the peak with two or three digits."""
    found = validated("dram")
    assert found["n"] >= 20
    assert abs(found["worst"]) < 0.02
    assert {row["groups"]["standard"].partition("_")[0] for row in found["rows"]} == {
        "DDR4",
        "DDR5",
        "HBM2",
        "HBM3",
        "LPDDR5",
    }


def test_bandwidth_and_latency_are_rows_of_their_own(write: Write) -> None:
    idle = {"pattern": "idle_row_hit", "achieved_GBps": "", "avg_read_latency_ns": "16.875"}
    found = validated("--data", write(ROW, {}, {"avg_read_latency_ns": "330"}, idle))
    assert [row["metric"] for row in found["rows"]] == ["bandwidth", "bandwidth", "read latency", "read latency"]
    assert found["rows"][0]["error"] == pytest.approx(0, abs=0.01)
    assert found["rows"][3]["error"] == pytest.approx(0, abs=1e-9)
    assert found["rows"][3]["unit"] == "ns"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"preset": "DDR9", "standard": "DDR9"}, "no timings of the catalogue are 'DDR9'"),
        ({"pattern": "zigzag"}, "the pattern 'zigzag' is not known"),
        ({"pattern": "idle_row_ajar"}, "the pattern 'idle_row_ajar' is not known"),
        ({"mapping": "CoRo"}, "mapping: found 'CoRo'"),
        ({"refresh": "per-bank"}, "has no tRFCpb"),
        ({"scheduler": "Other"}, "the scheduler 'Other' is not known"),
    ],
)
def test_a_row_that_cannot_be_predicted_says_why(write: Write, change: dict[str, str | None], why: str) -> None:
    found = validated("--data", write(ROW, {}, change))
    assert found["n"] == 1
    (refused,) = found["refused"]
    assert why in refused["why"]


def test_numbers_that_are_none(write: Write) -> None:
    is_refused(write({**ROW, "achieved_GBps": "fast"}), "line 2, achieved_GBps", "'fast'", "a positive number")
    is_refused(write({**ROW, "read_fraction": "2"}), "line 2, read_fraction", "'2'", "0 to 1")


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference rows are not here")
def test_reference_rows_are_met(tmp_path: Path) -> None:
    """Every ninth row of up to 300,000 accesses; all rows: docs/dram.md."""
    with REFERENCE.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["row_hits"] or 0) < 300_000][::9]
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found = validated("--data", path)
    assert not found["refused"]
    for group in found["groups"]:
        if group["by"] == "all":
            assert group["mean_abs"] < 0.01
            assert abs(group["worst"]) < 0.03
