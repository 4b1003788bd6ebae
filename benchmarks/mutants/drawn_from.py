"""What mutants are drawn from, and what is run against them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SOURCES: Final = (
    "workloads/policies",
    "workloads/lowering",
    "workloads/batching",
    "workloads/neurons",
    "workloads/verify",
    "sim/results",
    "sim/engines/makespan",
    "hw_models",
)
"""Policies, lowering, metrics and models."""
PLAIN: Final = ("workloads/policies", "workloads/lowering", "sim/results", "hw_models/dram_timing")
"""Of these, what is compiled for itself, and stays Python here."""
IN_THE_ENGINE: Final = ("hw_models/access_rate.py", "hw_models/flash/pages.py", "hw_models/dram/row_conflicts.py")
"""What the engine compiles as a part of itself: a mutant of these is compiled."""
TESTS: Final = (
    *(f"tests/workloads/{name}" for name in ("policies", "lowering", "batching", "neurons", "verify")),
    *(f"tests/workloads/{name}.py" for name in ("test_plan", "test_plan_check", "test_stripes", "test_demand")),
    "tests/hw_models",
    "tests/sim/engines",
    "tests/sim/results",
    "tests/sim/reproduce",
    "tests/sim/validate",
)
LAST: Final = (
    "tests/test_docs.py",
    "tests/ledger/test_ledger.py::test_no_number_moves_without_the_ledger[short-runs]",
    "tests/ledger/test_ledger.py::test_no_number_moves_without_the_ledger[crosscheck]",
)
"""What a survivor of the others is shown to, compiled: tables that docs print from the code, and kept numbers."""
COMPILED: Final = {"hw_models/dram_timing": ("tests/hw_models/dram_timing", "tests/hw_models/test_dram.py")}
"""By folder, tests that only compiled code ends in time: what a survivor of the others is shown to first."""
LEFT_OUT: Final = (
    "--ignore=tests/hw_models/dram_timing",
    "--deselect=tests/hw_models/test_dram.py::test_an_answer_that_is_shipped_is_what_the_simulation_says",
)
"""Minutes, where nothing is compiled."""


def files() -> list[Path]:
    """Of `SOURCES`, in order."""
    return sorted(path for folder in SOURCES for path in Path(folder).rglob("*.py"))
