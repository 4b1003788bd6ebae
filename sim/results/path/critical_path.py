"""Where the time went: the chain of events that made the run as long as it is.

From the event that ends last, backwards: an event could not start before the one before it in its
lane had ended; a wait that did wait could not end before the signal that reached it last, in whose
lane the walk goes on. What bounds an event the engine has said (`Timeline.bound`). Nothing is counted
twice and nothing is left out: the parts sum to the total.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import RunError
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.results.path.cells import CELLS_PER_UNIT, cells, path_rows
from moe_cosim.sim.results.rows import PathRow
from moe_cosim.workloads.programs.program import Program

SEGMENT: Final = np.dtype([("event", "<i8"), ("time_ps", "<i8"), ("bound", "<i8")])
"""An event (for latency the wait, for idle time the event that came late), how long, and why."""


@dataclass(frozen=True)
class CriticalPath:
    """`segments` ([n] of SEGMENT) in the order of time; their `time_ps` sum to the run's total."""

    machine: Machine
    program: Program
    segments: NDArray[np.void]

    @property
    def total_ps(self) -> int:
        """The length of the run."""
        return int(self.segments["time_ps"].sum())

    def rows(self) -> list[PathRow]:
        """Sums per (unit, phase, purpose, bound), the largest first: `time_ps` exact, `seconds`,
        and `share` of the total. A program without tags has empty phases and purposes."""
        units = list(self.machine.units)
        unit = np.array([units.index(name) for name, _ in self.program.lanes])
        events = self.program.events[self.segments["event"]]
        tags = self.program.tags[events["tag"]] if len(self.program.tags) else None
        sums = np.zeros(len(units) * CELLS_PER_UNIT, dtype=np.int64)
        np.add.at(sums, cells(unit[events["lane"]], tags, self.segments["bound"]), self.segments["time_ps"])
        return path_rows(self.machine, sums, tags is not None)


def critical_path(machine: Machine, program: Program, timeline: Timeline) -> CriticalPath:
    """`timeline` is what an engine made of `program` on `machine`; `RunError` where it says no bounds, or
    signals that wait for each other."""
    from moe_cosim.sim.results.path.walk import walk  # compiled: Numba takes a while to import

    if timeline.bound is None or timeline.last_signal is None:
        raise RunError("the engine does not say what bounds its events (Timeline.bound and Timeline.last_signal)")
    events = program.events
    segments = np.empty(2 * len(events), dtype=SEGMENT)
    found = 0
    if len(events):
        found = walk(
            int(np.argmax(timeline.end_ps)),  # of equal ends the first: that of the lowest lane
            np.ascontiguousarray(events["lane"]),
            timeline.start_ps,
            timeline.end_ps,
            timeline.bound,
            timeline.last_signal,
            segments,
        )
    if found < 0:
        raise RunError("the timeline says of signals that each waited for another")
    return CriticalPath(machine, program, segments[:found][::-1].copy())
