"""Answers that come with the package: what the catalogue's memories need, so that a fresh machine simulates nothing."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from moe_cosim.hw_models.dram_timing.achieved import Achieved

COLUMNS: Final = ("key", *(field.name for field in fields(Achieved)))


def recorded(key: str) -> Achieved | None:
    """The answer to the question of that key (`ask.key_of`); None where none was recorded."""
    return _answers().get(key)


def path() -> Path:
    """Of the file; ``benchmarks/dram_answers.py`` writes it."""
    return Path(str(files("moe_cosim.hw_models"))) / "catalog" / "dram_answers.csv"


@cache
def _answers() -> dict[str, Achieved]:
    if not path().is_file():
        return {}
    with path().open(newline="") as file:
        return {row["key"]: _answer(row) for row in csv.DictReader(file)}


def _answer(row: Mapping[str, str]) -> Achieved:
    counts = {name: int(row[name]) for name in ("row_hits", "row_misses", "row_conflicts")}
    return Achieved(
        bytes_per_s=float(row["bytes_per_s"]),
        read_latency_ns=float(row["read_latency_ns"]),
        elapsed_ns=float(row["elapsed_ns"]),
        **counts,
    )
