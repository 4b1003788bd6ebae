"""A run that is kept in a folder: its experiment, machine, result and, where it was kept, timeline."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.hw_models.chosen import machine_of
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.timeline import BOUNDS, LATENCY_BOUND
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.run_timeline import RunTimeline
from moe_cosim.workloads.programs.program import SIGNAL


@dataclass(frozen=True)
class KeptRun:
    """Parts are read when they are asked for; each raises `InputError` where it is missing or damaged."""

    folder: Path

    @classmethod
    def of(cls, folder: str | Path) -> KeptRun:
        """`InputError` for what is no folder that a run with ``--out`` has left."""
        folder = Path(folder)
        if not (folder / "experiment.yaml").is_file():
            raise InputError(
                folder, "experiment.yaml", Plain("no such file"), "a folder that a run with --out has left"
            )
        return cls(folder)

    @cached_property
    def experiment(self) -> Experiment:
        """As ``experiment.yaml`` of the folder has it."""
        return load_experiment(self.folder / "experiment.yaml")

    @cached_property
    def result(self) -> Result:
        """As ``result.json`` of the folder has it."""
        return Result.load(self.folder)

    @cached_property
    def machine(self) -> Machine:
        """Built anew from the experiment."""
        return machine_of_experiment(self.experiment)

    @cached_property
    def timeline(self) -> RunTimeline:
        """Of this machine, in order, with what bound every event."""
        timeline = RunTimeline.of_folder(self.folder)
        _check(timeline, self.folder)
        if self.machine.lanes != timeline.program.lanes:
            raise InputError(
                self.folder, "program.lanes", Plain("those of another machine"), f"those of {self.machine.name}"
            )
        return timeline


def machine_of_experiment(experiment: Experiment) -> Machine:
    """With the experiment's assumptions. Raises `InputError`."""
    return machine_of(experiment, Assumptions(experiment.assumptions, experiment.where))


def _check(timeline: RunTimeline, folder: Path) -> None:
    """`InputError` for times that no engine gives, and for what older versions left out."""
    if timeline.bound is None or timeline.last_signal is None:
        raise InputError(folder, "timeline", Plain("times alone, of an older version"), "what bounds them as well")
    if not len(timeline.program.tags):
        raise InputError(folder, "program.tags", Plain("none"), "a tag for each event")
    lane = timeline.program.events["lane"]
    before_ps = np.where(np.append(True, lane[1:] != lane[:-1]), 0, np.append(0, timeline.end_ps[:-1]))
    if (timeline.start_ps < before_ps).any() or (timeline.end_ps < timeline.start_ps).any():
        raise InputError(folder, "timeline", Plain("events that overlap in a lane"), "one after the other")
    waits = np.flatnonzero(timeline.bound == LATENCY_BOUND)
    signal = timeline.last_signal[waits]
    if (
        timeline.bound.max(initial=0) >= len(BOUNDS)
        or (signal < 0).any()
        or (timeline.program.events["kind"][signal] != SIGNAL).any()
        or (timeline.end_ps[signal] > timeline.end_ps[waits]).any()
    ):
        raise InputError(folder, "timeline", Plain("waits bound by what is no signal before them"), "signals")
