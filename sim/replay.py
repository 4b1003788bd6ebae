"""A saved program run again, alone: no model, no routing, no policy, only the events and the machine."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.hw_models.chosen import machine_of
from moe_cosim.sim.engines.base import Engine, Progress, engine_of, engines
from moe_cosim.sim.results.run_timeline import RunTimeline


@dataclass(frozen=True)
class Replay:
    """What a replay found. Times are integer picoseconds."""

    folder: str
    engine: str
    events: int
    total_ps: int
    saved_total_ps: int
    equal: bool
    """Every event starts and ends at the picosecond that the folder's timeline has."""
    first_difference: int | None
    """The event of smallest number that does not, or None."""

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)


def replay(folder: str | Path, engine: str | None = None, progress: Progress | None = None) -> Replay:
    """Run the program that a run left in `folder` on `engine` (default: the one it ran on).

    Reads experiment.yaml (for the machine, its assumptions and the engine), the program and the
    timeline. Raises `InputError` for a folder that is not a run's, or not whole.
    """
    folder = Path(folder)
    if not os.path.isfile(folder / "experiment.yaml"):
        raise InputError(folder, "experiment.yaml", Plain("no such file"), "a folder that a run with --out has left")
    saved = RunTimeline.of_folder(folder)
    experiment = load_experiment(folder / "experiment.yaml")
    chosen = _engine(experiment, engine)
    machine = machine_of(experiment, Assumptions(experiment.assumptions, experiment.where))
    program = saved.program
    found = chosen.run(machine, program, progress)
    differs = np.flatnonzero((found.start_ps != saved.start_ps) | (found.end_ps != saved.end_ps))
    return Replay(
        folder=str(folder),
        engine=engine or experiment.engine_name,
        events=len(program.events),
        total_ps=found.total_ps,
        saved_total_ps=saved.total_ps,
        equal=not len(differs),
        first_difference=int(differs[0]) if len(differs) else None,
    )


def _engine(experiment: Experiment, name: str | None) -> Engine:
    """The experiment's engine with its options, or `name` with none."""
    chosen = engines.get(name or experiment.engine_name, "replay", "--engine")
    if not chosen.times_events:
        found = Plain(f"{name or experiment.engine_name}, which gives sums of layers")
        raise InputError("replay", "--engine", found, "an engine that times every event")
    if name is not None and name != experiment.engine_name:
        return chosen.from_options({}, "replay")
    if not experiment.window.is_whole:
        found = Plain("a timeline that was extrapolated from a part of the program")
        raise InputError(experiment.where, "window", found, "a run of the whole program")
    return engine_of(experiment)
