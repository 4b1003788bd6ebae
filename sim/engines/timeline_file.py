"""Timelines in files: what is written now, block by block, and what older versions wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.column_file import ColumnFile, Columns, ColumnWriter
from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.array_archive import read_npz

FORMAT: Final = "moe-cosim timeline 2"

_ALWAYS: Final = ("start_ps", "end_ps")


class TimelineWriter:
    """Appends the timelines of a run's blocks to a file (`moe_cosim.column_file`).

    Columns of a block: `lane_events` [lanes]; per event, lane after lane, `idle_ps` since the one before it in its
    lane, `took_ps`, `bound`; and `waits`, the steps between the rows that a signal binds, with `signal`, how far that
    is from the row.
    """

    def __init__(self, path: Path, lanes: int) -> None:
        self._file = ColumnWriter(path, {"format": FORMAT})
        self._lane_end_ps = np.zeros(lanes, np.int64)

    def add(self, timeline: Timeline, lane_starts: NDArray[np.int64]) -> None:
        """The next block's; its lanes' events begin at `lane_starts` [lanes + 1]."""
        lane_events = np.diff(lane_starts)
        columns: dict[str, NDArray[Any]] = {"lane_events": lane_events}
        before_ps = np.empty_like(timeline.end_ps)
        before_ps[1:] = timeline.end_ps[:-1]
        ran = np.flatnonzero(lane_events)
        before_ps[lane_starts[ran]] = self._lane_end_ps[ran]
        self._lane_end_ps[ran] = timeline.end_ps[lane_starts[ran + 1] - 1]
        columns |= {"idle_ps": timeline.start_ps - before_ps, "took_ps": timeline.end_ps - timeline.start_ps}
        if timeline.bound is not None and timeline.last_signal is not None:
            rows = np.flatnonzero(timeline.last_signal >= 0)
            columns |= {
                "bound": timeline.bound,
                "waits": np.diff(rows, prepend=0),
                "signal": timeline.last_signal[rows] - rows,
            }
        self._file.add(columns)

    def close(self) -> None:
        """Only now the file can be read."""
        self._file.close()

    def abandon(self) -> None:
        """Close the file unfinished: nobody wants it any more."""
        self._file.abandon()


def load_timeline(path: Path, events: int) -> Timeline:
    """The whole, in the order of its program; `InputError` unless it has a start and an end for each of `events`.

    A file that older versions wrote (an .npz archive of the columns) is read too; the oldest have times alone.
    """
    if path.suffix == ".npz":
        return _old(path, events)
    allowed = f"a file written as '{FORMAT}' of {events} events"
    file = ColumnFile(path, allowed)
    header = file.header()
    if header.get("format") != FORMAT:
        raise InputError(path, "format", header.get("format"), allowed)
    try:
        timeline = _joined(file)
    except (KeyError, IndexError, ValueError) as error:
        raise InputError(path, "columns", what_failed(error), allowed) from None
    if len(timeline.start_ps) != events:
        raise InputError(path, "events", len(timeline.start_ps), allowed)
    if timeline.last_signal is not None and timeline.last_signal.max(initial=-1) >= events:
        raise InputError(path, "signal", int(timeline.last_signal.max()), allowed)
    return timeline


def _joined(file: ColumnFile) -> Timeline:
    parts, lanes = [], []
    lane_end_ps = np.zeros(0, np.int64)
    for columns in file.blocks():
        lane_events = columns["lane_events"]
        if not len(lane_end_ps):
            lane_end_ps = np.zeros(len(lane_events), np.int64)
        if sum(lane_events.tolist()) != len(columns["took_ps"]) or (lane_events < 0).any():
            raise ValueError(f"{len(columns['took_ps'])} of took_ps for other numbers of events in the lanes")
        lane = np.repeat(np.arange(len(lane_events)), lane_events)
        took_ps = columns["took_ps"]
        _equally_long(lane, columns, "idle_ps", "took_ps", *(("bound",) if "bound" in columns else ()))
        passed_ps = np.cumsum(columns["idle_ps"] + took_ps)
        starts = np.cumsum(lane_events) - lane_events
        earlier_ps = np.concatenate([[0], passed_ps])[starts]
        end_ps = passed_ps + (lane_end_ps - earlier_ps)[lane]
        ran = np.flatnonzero(lane_events)
        lane_end_ps[ran] = end_ps[starts[ran] + lane_events[ran] - 1]
        bound, last_signal = columns.get("bound"), None
        if bound is not None:
            rows = np.cumsum(columns["waits"])
            _equally_long(rows, columns, "signal")
            last_signal = np.full(len(lane), -1, np.int64)
            last_signal[rows] = columns["signal"] + rows
        parts.append(Timeline(end_ps - took_ps, end_ps, bound, last_signal))
        lanes.append(lane)
    order = np.argsort(np.concatenate(lanes), kind="stable")
    return parts[0] if len(parts) == 1 else Timeline.join(parts, order)


def _equally_long(rows: NDArray[np.int64], columns: Columns, *names: str) -> None:
    """`ValueError` unless there is a number for each of `rows`, not one for all."""
    for name in names:
        if len(columns[name]) != len(rows):
            raise ValueError(f"{len(columns[name])} of {name} for {len(rows)} rows")


def _old(path: Path, events: int) -> Timeline:
    allowed = f"arrays start_ps and end_ps of {events} whole numbers each"
    columns = read_npz(path, allowed, Timeline.__dataclass_fields__)
    for name in _ALWAYS:
        if name not in columns:
            raise InputError(path, name, Plain("no such array"), allowed)
    for name, column in columns.items():
        if column.dtype != (np.uint8 if name == "bound" else np.int64) or column.shape != (events,):
            raise InputError(path, "arrays", Plain(f"{name}: {column.dtype} of shape {column.shape}"), allowed)
    return Timeline(**columns)
