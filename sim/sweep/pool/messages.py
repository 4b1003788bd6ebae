"""What a worker is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from moe_cosim.experiment import Experiment

FINISHED: Final = "finished"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"
"""Another process had finished it."""
ELSEWHERE: Final = "elsewhere"
"""Another live process is computing it."""
CANNOT_WRITE: Final = "cannot write"


@dataclass(frozen=True)
class Task:
    """One point to run."""

    point_id: str
    experiment: Experiment
    files: dict[str, str]
    sources: dict[str, str]
    """Digests of the code that it was planned with."""
    group: int = 0
    """Points of one group are on the same routing."""


@dataclass(frozen=True)
class Report:
    """What became of it. `text`: the one line of a failure, or of what cannot be written."""

    point_id: str
    outcome: str
    wall_s: float = 0.0
    text: str = ""
    resident_bytes: int = 0
    """Of the worker; 0 where nothing was written down."""
