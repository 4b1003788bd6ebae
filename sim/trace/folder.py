"""The trace of a run that is kept in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.hw_models.chosen import machine_of
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.timeline import BOUNDS, LATENCY_BOUND
from moe_cosim.sim.results.run_timeline import RunTimeline
from moe_cosim.sim.trace.selection import EVERYTHING, Selection
from moe_cosim.sim.trace.trace import WrittenTrace, write_trace
from moe_cosim.workloads.programs.program import SIGNAL


def trace(folder: str | Path, path: str | Path, selection: Selection = EVERYTHING) -> WrittenTrace:
    """Write the run that is kept in `folder` to the file `path`; see `write_trace`.

    Raises `InputError` for a folder that is not that of a run of this version which kept its timeline and program.
    """
    folder = Path(folder)
    check_file(Path(path))
    if not (folder / "experiment.yaml").is_file():
        raise InputError(folder, "experiment.yaml", Plain("no such file"), "a folder that a run with --out has left")
    timeline = RunTimeline.of_folder(folder)
    _check(timeline, folder)
    experiment = load_experiment(folder / "experiment.yaml")
    machine = machine_of_experiment(experiment)
    if machine.lanes != timeline.program.lanes:
        raise InputError(folder, "program.lanes", Plain("those of another machine"), f"those of {machine.name}")
    return write_trace(machine, timeline, Path(path), selection)


def machine_of_experiment(experiment: Experiment) -> Machine:
    return machine_of(experiment, Assumptions(experiment.assumptions, experiment.where))


def check_file(path: Path) -> None:
    """`InputError` where no file can be written: for commands that work before they write."""
    if not path.absolute().parent.is_dir():
        raise InputError(path, "file", Plain("no such folder"), "a file in a folder that exists")
    if path.is_dir():
        raise InputError(path, "file", Plain("a folder"), "a file")


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
