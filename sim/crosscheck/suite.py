"""The two suites: in one SST is given the shares that memories reach, in the other it is told nothing of the kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from moe_cosim.sim.crosscheck.case import Case
from moe_cosim.sim.crosscheck.cases.all_cases import all_cases
from moe_cosim.sim.crosscheck.compare import Bounds
from moe_cosim.sim.crosscheck.independent.all_cases import independent_cases

_FOLDER: Final = Path(str(files("moe_cosim.sim.crosscheck")))


@dataclass(frozen=True)
class Suite:
    """Cases, what SST said about them, and how near the embedded engine has to come."""

    name: str
    cases: Callable[[], dict[str, Case]]
    recorded: Path
    """Folder of what SST said."""
    command: str
    """With which that was recorded."""
    bounds: Bounds


FED: Final = Suite("fed", all_cases, _FOLDER / "recorded", "moe-cosim crosscheck --record", Bounds())
INDEPENDENT: Final = Suite(
    "independent",
    independent_cases,
    _FOLDER / "independent" / "recorded",
    "moe-cosim crosscheck --independent --record",
    Bounds(median=0.02, p95=0.10, total=0.05),
)
