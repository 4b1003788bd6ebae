"""What of a run is kept beside its numbers: in its folder, or in memory."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from moe_cosim.errors import InputError
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.engines.timeline_file import TimelineWriter
from moe_cosim.sim.results.run_timeline import PROGRAM_FILE, TIMELINE_FILE, RunTimeline
from moe_cosim.workloads.programs.file import ProgramWriter
from moe_cosim.workloads.programs.join import join_programs
from moe_cosim.workloads.programs.program import Program

PROGRAM: Final = "program"
TIMELINE: Final = "timeline"
KEPT: Final = (PROGRAM, TIMELINE)
"""What may be kept, and is unless a run is told otherwise."""


def check_keep(keep: Collection[str]) -> None:
    """`InputError` for what cannot be kept."""
    for name in keep:
        if name not in KEPT:
            raise InputError("run", "keep", name, KEPT)


class Recorder:
    """Is given a run's blocks as they finish, and closed after the last. This one keeps nothing."""

    def add(self, program: Program, timeline: Timeline) -> None:
        """The next block."""

    def close(self) -> RunTimeline | None:
        """What is kept in memory."""
        return None

    def abandon(self) -> None:
        """The run has failed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            self.abandon()


class MemoryRecorder(Recorder):
    """Keeps everything as it came, for `Result.timeline`."""

    def __init__(self) -> None:
        self._programs: list[Program] = []
        self._timelines: list[Timeline] = []

    def add(self, program: Program, timeline: Timeline) -> None:
        self._programs.append(program)
        self._timelines.append(timeline)

    def close(self) -> RunTimeline | None:
        if len(self._programs) == 1:
            return RunTimeline(**vars(self._timelines[0]), program=self._programs[0])
        program, order = join_programs(self._programs)
        return RunTimeline(**vars(Timeline.join(self._timelines, order)), program=program)


class FolderRecorder(Recorder):
    """Writes what is to be kept to `folder`, block by block. Raises `OSError`."""

    def __init__(self, folder: Path, keep: Collection[str]) -> None:
        self._folder, self._keep = folder, keep
        self._program: ProgramWriter | None = None
        self._timeline: TimelineWriter | None = None

    def add(self, program: Program, timeline: Timeline) -> None:
        if PROGRAM in self._keep:
            if self._program is None:
                path = self._folder / PROGRAM_FILE
                self._program = ProgramWriter(path, program.lanes, program.machine, program.meta)
            self._program.add(program)
        if TIMELINE in self._keep:
            if self._timeline is None:
                self._timeline = TimelineWriter(self._folder / TIMELINE_FILE, len(program.lanes))
            self._timeline.add(timeline, program.lane_starts)

    def close(self) -> RunTimeline | None:
        for writer in (self._program, self._timeline):
            if writer is not None:
                writer.close()
        return None

    def abandon(self) -> None:
        for writer in (self._program, self._timeline):
            if writer is not None:
                writer.abandon()
