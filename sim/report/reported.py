"""A kept run with a name among the others, and what several sections make of its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.display.names import model, system
from moe_cosim.sim.kept.kept_run import KeptRun
from moe_cosim.sim.report.checked import check_result
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.run_timeline import PROGRAM_FILE, RunTimeline, timeline_path
from moe_cosim.sim.sensitivity.sensitivity import FILE, Sensitivity
from moe_cosim.sim.trace.selection import layer_of
from moe_cosim.sim.trace.transfers import Transfers
from moe_cosim.workloads.programs.program import SIGNAL


@dataclass(frozen=True)
class ReportedRun:
    """Properties raise `InputError` where a file of the folder is not what a run has left."""

    kept: KeptRun
    name: str
    """Among the runs of one report."""

    @property
    def result(self) -> Result:
        """As the folder has it."""
        return self.kept.result

    @property
    def machine(self) -> Machine:
        """As the folder has it."""
        return self.kept.machine

    @property
    def timeline(self) -> RunTimeline:
        """As the folder has it."""
        return self.kept.timeline

    @property
    def title(self) -> str:
        """Policy, machine and model, as people call them."""
        return f"{system(self.result.policy)} on {self.result.machine}, {model(self.result.model)}"

    @cached_property
    def sensitivity(self) -> Sensitivity | None:
        """What ``run --sensitivity`` has left there; None where nothing was varied."""
        return Sensitivity.load(self.kept.folder) if (self.kept.folder / FILE).is_file() else None

    @property
    def has_events(self) -> bool:
        """Whether program and timeline were kept."""
        return (self.kept.folder / PROGRAM_FILE).is_file() and timeline_path(self.kept.folder).is_file()

    @cached_property
    def tags(self) -> NDArray[np.void]:
        """[E] TAG records; the head is in no layer."""
        tags: NDArray[np.void] = self.timeline.program.tags[self.timeline.program.events["tag"]]
        tags["layer"] = layer_of(tags)
        return tags

    @cached_property
    def works(self) -> NDArray[np.bool_]:
        """[E] of events that compute or move."""
        return np.asarray(self.timeline.program.events["kind"] < SIGNAL)

    @cached_property
    def transfers(self) -> Transfers:
        """Of all events that work, for sums over time."""
        return Transfers.of(self.machine, self.timeline, np.ones(len(self.works), np.bool_))


def reported_runs(folders: Sequence[Path]) -> list[ReportedRun]:
    """Each with a name of its own: that of its experiment, or else of its folder. `InputError` for a folder that is not
    a run's, and for a result that no run leaves."""
    kept = [KeptRun.of(folder) for folder in folders]
    for run in kept:
        check_result(run.result, run.machine, run.folder)
    found = [ReportedRun(run, run.result.name) for run in kept]
    if len({run.name for run in found}) == len(found):
        return found
    names = [run.folder.resolve().name for run in kept]
    if len(set(names)) < len(names):
        names = [f"{run.name} ({place})" for place, run in enumerate(found, 1)]
    return [replace(run, name=name) for run, name in zip(found, names, strict=True)]
