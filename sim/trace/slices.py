"""What the tracks of lanes and of the critical path show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.sim.engines.timeline import BOUNDS, IDLE_BOUND, LATENCY_BOUND
from moe_cosim.sim.results.path.critical_path import CriticalPath
from moe_cosim.sim.results.run_timeline import RunTimeline
from moe_cosim.sim.trace.names import event_names
from moe_cosim.sim.trace.schema import InternedData
from moe_cosim.sim.trace.selection import layer_of
from moe_cosim.sim.trace.tracks import Tracks
from moe_cosim.workloads.programs.program import KINDS, PHASES, SIGNAL

SLICE: Final = np.dtype(
    [
        ("track", "<u4"),
        ("name", "<u4"),  # interned ids, 0: none
        ("kind", "u1"),
        ("phase", "u1"),
        ("bound", "u1"),
        ("lane", "<u4"),
        ("event", "<i8"),  # row of the program
        ("step", "<i4"),
        ("tokens", "<u4"),
        ("bytes", "<i8"),
    ]
)
_ANNOTATIONS: Final = ("event", "step", "tokens", "bytes", "bound", "lane")


@dataclass(frozen=True)
class Slices:
    """Rows [S] of `records` (SLICE), track after track, each in order of time and without overlap."""

    records: NDArray[np.void]
    begin_ps: NDArray[np.int64]
    end_ps: NDArray[np.int64]
    is_instant: NDArray[np.bool_]
    names: list[str]
    lanes: list[str]

    def texts(self) -> dict[InternedData, list[str]]:
        """What the interned ids of the records stand for."""
        return {
            InternedData.EVENT_CATEGORIES: [*KINDS, *PHASES],
            InternedData.EVENT_NAMES: self.names,
            InternedData.DEBUG_ANNOTATION_NAMES: list(_ANNOTATIONS),
            InternedData.DEBUG_ANNOTATION_STRING_VALUES: [*BOUNDS, *self.lanes],
        }


def slices_of(timeline: RunTimeline, path: CriticalPath, shown: NDArray[np.bool_], tracks: Tracks) -> Slices:
    """First a slice for each of the events `shown` [E] (a signal is an instant), then the path's segments of them."""
    program = timeline.program
    events, tags = program.events, program.tags[program.events["tag"]]
    tags["layer"] = layer_of(tags)
    names, name = event_names(events["kind"][shown], tags[shown])

    records = np.zeros(len(events), SLICE)
    records["track"] = np.array(tracks.lanes)[events["lane"]]
    records["name"][shown] = name + 1
    records["kind"] = events["kind"] + 1
    records["phase"] = tags["phase"] + 1 + len(KINDS)
    records["event"] = np.arange(len(events))
    records["step"], records["tokens"] = tags["step"], tags["tokens"]
    records["bytes"] = timeline.moved_bytes()
    assert timeline.bound is not None  # or there would be no path
    records["bound"] = np.where(events["kind"] < SIGNAL, timeline.bound + 1, 0)

    lasts_ps = path.segments["time_ps"]
    path_end_ps = np.cumsum(lasts_ps)
    segments = np.flatnonzero(shown[path.segments["event"]])
    event, bound = path.segments["event"][segments], path.segments["bound"][segments]
    on_path = records[event]
    on_path["track"] = tracks.path
    on_path["bound"] = bound + 1
    on_path["lane"] = events["lane"][event] + 1 + len(BOUNDS)
    for reason in (LATENCY_BOUND, IDLE_BOUND):
        names.append(BOUNDS[reason])
        on_path["name"][bound == reason] = len(names)

    return Slices(
        records=np.concatenate([records[shown], on_path]),
        begin_ps=np.concatenate([timeline.start_ps[shown], (path_end_ps - lasts_ps)[segments]]),
        end_ps=np.concatenate([timeline.end_ps[shown], path_end_ps[segments]]),
        is_instant=np.concatenate([events["kind"][shown] == SIGNAL, np.zeros(len(on_path), np.bool_)]),
        names=names,
        lanes=[f"{unit}.{lane}" for unit, lane in program.lanes],
    )
