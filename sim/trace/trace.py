"""A run's timeline written as a Perfetto trace."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import RunError
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.results.path.critical_path import critical_path
from moe_cosim.sim.results.run_timeline import RunTimeline
from moe_cosim.sim.trace.arrows import arrows_of
from moe_cosim.sim.trace.counters import counters_of
from moe_cosim.sim.trace.names import interned
from moe_cosim.sim.trace.order import Ordered
from moe_cosim.sim.trace.packets import FLOW_BYTES, PACKET_BYTES, Arrows, encode
from moe_cosim.sim.trace.selection import EVERYTHING, Selection
from moe_cosim.sim.trace.slices import slices_of
from moe_cosim.sim.trace.tracks import Tracks
from moe_cosim.sim.trace.transfers import Transfers
from moe_cosim.whole_file import whole_file

_CHUNK: Final = 1 << 17
"""Packets that are encoded at a time."""
_GZIP_LEVEL: Final = 1


@dataclass(frozen=True)
class WrittenTrace:
    """What was written."""

    file: str
    events: int
    """Of the run that are shown."""
    packets: int
    bytes: int
    """Of packets, before compression."""
    total_ps: int
    """Of the run."""

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)


def write_trace(machine: Machine, timeline: RunTimeline, path: Path, selection: Selection = EVERYTHING) -> WrittenTrace:
    """Write the `timeline` of a run on `machine` to `path`, whole or not at all; packed where its name ends in ``.gz``.

    Times are whole nanoseconds, rounded down; they are in order. Raises `InputError` for steps and layers that the run
    does not have, and `RunError` where the file cannot be written.
    """
    program = timeline.program
    shown = selection.holds(program.tags[program.events["tag"]])
    tracks = Tracks(machine)
    slices = slices_of(timeline, critical_path(machine, program, timeline), shown, tracks)
    transfers = Transfers.of(machine, timeline, shown)
    ordered = Ordered.of(slices, list(counters_of(machine, timeline, transfers, tracks)))
    arrows = arrows_of(program.events, np.flatnonzero(shown), ordered.begins_at, ordered.ends_at)
    head = tracks.packets() + interned(slices.texts())
    size = len(head)
    try:
        with whole_file(path) as file, _packed(file, path) as output:
            output.write(head)
            for chunk in _chunks(ordered, slices.records, arrows):
                output.write(chunk)
                size += len(chunk)
    except OSError as error:
        raise RunError(f"{path}: cannot write there: {error.strerror}") from None
    return WrittenTrace(str(path), int(shown.sum()), len(ordered.packets.row), size, timeline.total_ps)


def _packed(file: BinaryIO, path: Path) -> AbstractContextManager[BinaryIO]:
    if path.suffix != ".gz":
        return nullcontext(file)
    return cast("AbstractContextManager[BinaryIO]", gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0))


def _chunks(ordered: Ordered, records: NDArray[np.void], arrows: Arrows) -> Iterator[memoryview]:
    """Of encoded packets; each is overwritten by the next."""
    packets, flows = ordered.packets, len(arrows.leaving)
    buffer = np.empty(0, np.uint8)
    at_each = np.zeros(len(packets.row), np.int64)
    at_each[ordered.begins_at] += np.diff(arrows.first_leaving)
    at_each[ordered.ends_at] += np.diff(arrows.first_arriving)
    assert at_each.sum() == 2 * flows
    for first in range(0, len(packets.row), _CHUNK):
        past = min(first + _CHUNK, len(packets.row))
        room = (past - first) * PACKET_BYTES + int(at_each[first:past].sum()) * FLOW_BYTES
        if room > len(buffer):
            buffer = np.empty(room, np.uint8)
        yield buffer[encode(packets, first, past, records, ordered.samples, arrows, buffer) :].data
