"""One of the runs that are compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim.kept.kept_run import KeptRun
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run


@dataclass(frozen=True)
class ComparedRun:
    """Its letter in tables, what it was called, and what it found."""

    letter: str
    source: str
    experiment: Experiment
    result: Result

    @classmethod
    def load(cls, letter: str, source: str) -> ComparedRun:
        """Of the folder of a finished run; an experiment is run. `InputError` for a folder without a finished run."""
        if Path(source).is_dir():
            result = Result.load(source)
            return cls(letter, source, KeptRun.of(source).experiment, result)
        experiment = load_experiment(source)
        return cls(letter, source, experiment, run(experiment, keep=()))

    @property
    def title(self) -> str:
        """What it was called, and its policy."""
        name, policy = self.result.name, self.result.policy
        return f"{name} ({policy})" if name != self.source else f"{self.source} ({policy})"

    @property
    def system(self) -> str:
        """The policy, by which tables name a run."""
        return self.result.policy

    @property
    def load_asked(self) -> tuple[str, dict[str, Any]]:
        """What it was asked to do, whatever did it."""
        return self.result.model, self.experiment.workload.model_dump()

    @property
    def names(self) -> tuple[str, ...]:
        """What ``--baseline`` may call it."""
        return self.source, Path(self.source).name, self.result.name, self.system
