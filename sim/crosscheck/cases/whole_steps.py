"""Whole steps of a policy on a model of reduced width as a case."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import Case
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.programs.program import Program

MODELS = Path(str(files("moe_cosim.sim.crosscheck.cases") / "models"))


def whole_steps(
    name: str,
    says: str,
    policy: str | Mapping[str, Any],
    machine: str,
    *,
    model: Path,
    preset: str,
    workload: Mapping[str, Any],
    settings: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Case:
    """The program of a policy on a catalogue machine with some `settings` of its own; tokens choose experts as the
    routing `preset` draws them. `fields`: what else the experiment says."""

    def build() -> tuple[Machine, Program]:
        said = {
            "name": "crosscheck",
            "machine": {"use": machine, "set": dict(settings or {})},
            "model": str(model),
            "routing": {"source": "generator", "preset": preset, "version": 1},
            "workload": dict(workload),
            "policy": {"name": policy} if isinstance(policy, str) else dict(policy),
            **fields,
        }
        prepared = prepare(Experiment.model_validate(said))
        return prepared.machine, prepared.program

    return Case(name, says, build)
