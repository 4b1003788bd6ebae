"""What an engine gives back: when every event started and ended, and what decided its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BOUNDS: Final = ("compute", "traffic", "signal latency", "idle")
COMPUTE_BOUND, TRAFFIC_BOUND, LATENCY_BOUND, IDLE_BOUND = range(4)
"""What an event's time was spent on: it ended at its floor (setup and busy time); its traffic made it
longer; it waited for a signal; or nothing that the program explains (an engine's own delay)."""


@dataclass(frozen=True)
class Timeline:
    """One row per event of the program, in its order; E events."""

    start_ps: NDArray[np.int64]
    """[E]"""
    end_ps: NDArray[np.int64]
    """[E]"""
    bound: NDArray[np.uint8] | None = None
    """[E] index into BOUNDS, said by the engine when it decides the event's end. None only for times
    that were kept without it (a recording, a run's folder of an older version)."""
    last_signal: NDArray[np.int64] | None = None
    """[E] of a wait that is bound by a signal, the event whose signal arrived last; -1 of all others."""
    path_ps: NDArray[np.int64] | None = None
    """[E] time on the critical path, from an engine that says so itself; None: it follows from bounds and signals."""

    @property
    def total_ps(self) -> int:
        """When the last event ended; 0 of no events."""
        return int(self.end_ps.max(initial=0))

    def cut(self, order: NDArray[np.int64], lengths: Sequence[int]) -> Iterator[Timeline]:
        """The timelines of the parts of a program, whose row ``order[i]``, all parts counted through, is row i here.

        `last_signal` of the parts counts through all of them.
        """
        ends = np.cumsum(lengths)
        row = np.empty(len(order), dtype=np.int64)
        row[order] = np.arange(len(order))
        last_signal = self.last_signal
        if last_signal is not None:
            last_signal = np.where(last_signal >= 0, order[last_signal], -1)
        for first, end in zip(ends - lengths, ends, strict=True):
            rows = row[first:end]
            yield Timeline(
                self.start_ps[rows],
                self.end_ps[rows],
                None if self.bound is None else self.bound[rows],
                None if last_signal is None else last_signal[rows],
            )

    @classmethod
    def join(cls, parts: Sequence[Timeline], order: NDArray[np.int64]) -> Timeline:
        """The other way round: `order` [E] says where each event was among those of all parts."""
        row = np.empty(len(order), dtype=np.int64)
        row[order] = np.arange(len(order))
        columns: dict[str, Any] = {}
        for name in cls.__dataclass_fields__:
            found = [getattr(part, name) for part in parts]
            columns[name] = None if any(column is None for column in found) else np.concatenate(found)[order]
        if columns["last_signal"] is not None:
            columns["last_signal"] = np.where(columns["last_signal"] >= 0, row[columns["last_signal"]], -1)
        return cls(**columns)

    def stretched(self, ratio: float) -> Timeline:
        """All times `ratio` times as long, on whole picoseconds; what bounds an event stays."""
        start_ps, end_ps = (np.rint(times * ratio).astype(np.int64) for times in (self.start_ps, self.end_ps))
        return Timeline(start_ps, end_ps, self.bound, self.last_signal)
