"""One section's CSV file, written row by row, and its budget of time."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch


class Table:
    """Rows of one section. A case that fails costs its row alone; past the budget, cases are left out."""

    def __init__(self, path: Path, columns: Sequence[str], budget_s: float) -> None:
        self.name = path.stem
        self.file = path.open("w", newline="", encoding="utf-8")
        self.writer = csv.DictWriter(self.file, columns)
        self.writer.writeheader()
        self.began = time.monotonic()
        self.budget_s = budget_s
        self.rows = self.failed = self.left_out = 0

    def measure(self, case: Mapping[str, Any], measured: Callable[[], Mapping[str, Any]]) -> None:
        """Adds the row of `case` and of what `measured` returns. Raises where the device itself is lost."""
        if time.monotonic() - self.began > self.budget_s:
            self.left_out += 1
            return
        try:
            row = {**case, **measured()}
        except Exception as error:  # an operation that this card or this torch does not have
            self.failed += 1
            what = " ".join(f"{name}={value}" for name, value in case.items())
            why = str(error).strip().split("\n")[0]
            print(f"{self.name}: {what}: {type(error).__name__}: {why}", flush=True)
            torch.cuda.synchronize()
            return
        self.writer.writerow(row)
        self.file.flush()
        self.rows += 1

    def close(self) -> int:
        """Prints the counts; returns the exit status: 1 where a case failed."""
        self.file.close()
        spent = time.monotonic() - self.began
        counts = f"{self.rows} rows, {self.failed} failed, {self.left_out} left out for time"
        print(f"{self.name}: {spent:.1f} s of {self.budget_s:.0f} s, {counts}", flush=True)
        return int(self.failed > 0)
