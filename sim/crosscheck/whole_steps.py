"""Whole steps of a policy on a model of reduced width as a case."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import Case
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.programs.program import Program

MODELS = Path(str(files("moe_cosim.sim.crosscheck") / "models"))


def whole_steps(name: str, says: str, **fields: Any) -> Case:
    """The program of the experiment with these fields."""

    def build() -> tuple[Machine, Program]:
        prepared = prepare(Experiment.model_validate({"name": "crosscheck", **fields}))
        return prepared.machine, prepared.program

    return Case(name, says, build)
