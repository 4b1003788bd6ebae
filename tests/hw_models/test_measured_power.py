"""The catalogue's H100 beside the watts measured on one (`benchmarks/gpu_card`, section power; `recorded`)."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine

ROWS = list(
    csv.DictReader(
        (Path(__file__).parents[2] / "benchmarks/gpu_card/recorded/h100-power.csv")
        .read_text(encoding="utf-8")
        .splitlines()
    )
)
FULL_CLOCK_MHZ = 1979
NEARBY = ("L2", "L1")
"""Levels that the model does not tell from registers."""


def _number(row: dict[str, str], column: str) -> float:
    return float(row[column] or 0)


def _watts(row: dict[str, str]) -> float:
    """What the model says of steady work: no rows of DRAM opened beyond a stream's, no software."""
    machine = build_machine("h100-host", Assumptions())
    memory, unit = machine.memories["gpu.hbm"].energy, machine.units["gpu.sm"].energy
    assert memory is not None
    assert unit is not None
    watts = unit.static_w + memory.background_w + memory.refresh_w
    if row["case"].startswith("idle"):
        return watts
    if row["level"] == "pcie":  # the copy engine's work: the multiprocessors are not active
        return watts + 8e9 * _number(row, "GB_per_s") * memory.read_j_per_bit
    watts += unit.active_w * (_number(row, "busy_share") or 1)
    if row["level"] in ("", "memory"):
        watts += 8e9 * _number(row, "GB_per_s") * (memory.read_j_per_bit + unit.on_chip_j_per_bit)
    return watts + 1e12 * _number(row, "TFLOP_per_s") * dict(unit.operation_j).get(row["dtype"], 0.0)


def _error(row: dict[str, str]) -> float:
    return _watts(row) / _number(row, "watts") - 1


def _fitted(row: dict[str, str]) -> bool:
    """Reads of random data at five rates, and products of 64 rows."""
    return row["data"] == "random" and (
        (row["case"], row["level"]) == ("read", "memory") or (row["m"] == "64" and row["n"] == "28672")
    )


def _unseen(row: dict[str, str]) -> bool:
    """At full clocks, of random data, from memory or over PCIe, and no constant was read off it."""
    moves = _number(row, "GB_per_s") > 0 and row["level"] not in NEARBY
    full = _number(row, "sm_mhz") >= FULL_CLOCK_MHZ
    return moves and full and row["data"] == "random" and row["case"] != "write" and not _fitted(row)


def test_rows_that_constants_were_read_off_are_met() -> None:
    fitted = [_error(row) for row in ROWS if _fitted(row)]
    assert len(fitted) == 7
    assert max(map(abs, fitted)) < 0.01


def test_idle_with_clocks_up_is_met() -> None:
    up = [row for row in ROWS if row["case"].startswith("idle") and _number(row, "sm_mhz") >= 1900]
    assert len(up) == 4
    assert max(abs(_error(row)) for row in up) < 0.02


def test_rows_that_no_constant_saw_are_off_by_what_the_page_says() -> None:
    unseen = [abs(_error(row)) for row in ROWS if _unseen(row)]
    assert len(unseen) == 16
    assert sum(unseen) / 16 == pytest.approx(0.066, abs=0.001)


def test_one_value_written_again_and_again_takes_less_than_the_model_says() -> None:
    """Left out of the rows above: no data changes on the way."""
    (write,) = (row for row in ROWS if row["case"] == "write")
    assert _error(write) == pytest.approx(0.41, abs=0.01)
