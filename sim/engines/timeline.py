"""What an engine gives back: when every event started and ended, and what decided its end."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain

BOUNDS: Final = ("compute", "traffic", "signal latency", "idle")
COMPUTE_BOUND, TRAFFIC_BOUND, LATENCY_BOUND, IDLE_BOUND = range(4)
"""What an event's time was spent on: it ended at its floor (setup and busy time); its traffic made it
longer; it waited for a signal; or nothing that the program explains (an engine's own delay)."""
_ALWAYS: Final = ("start_ps", "end_ps")


@dataclass(frozen=True)
class Timeline:
    """One row per event of the program, in its order."""

    start_ps: NDArray[np.int64]
    end_ps: NDArray[np.int64]
    bound: NDArray[np.uint8] | None = None
    """[E] index into BOUNDS, said by the engine when it decides the event's end. None only for times
    that were kept without it (a recording, a run's folder of an older version)."""
    last_signal: NDArray[np.int64] | None = None
    """[E] of a wait that is bound by a signal, the event whose signal arrived last; -1 of all others."""

    @property
    def total_ps(self) -> int:
        return int(self.end_ps.max(initial=0))

    def arrays(self) -> dict[str, Any]:
        """The columns that are there, by name: what ``timeline.npz`` of a run's folder holds."""
        return {name: column for name, column in vars(self).items() if column is not None}

    @classmethod
    def load(cls, path: Path, events: int) -> Timeline:
        """From `arrays` in a file; `InputError` unless it has a start and an end for each of `events`.

        Folders of older versions have times alone.
        """
        allowed = f"arrays start_ps and end_ps of {events} whole numbers each"
        try:
            with np.load(path, allow_pickle=False) as archive:
                columns = {
                    name: archive[name] for name in cls.__dataclass_fields__ if name in _ALWAYS or name in archive
                }
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(path, "file", Plain(f"{type(error).__name__}: {error}"), allowed) from None
        for name, column in columns.items():
            if column.dtype != (np.uint8 if name == "bound" else np.int64) or column.shape != (events,):
                raise InputError(path, "arrays", Plain(f"{name}: {column.dtype} of shape {column.shape}"), allowed)
        return cls(**columns)

    def stretched(self, ratio: float) -> Timeline:
        """All times `ratio` times as long, on whole picoseconds; what bounds an event stays."""
        start_ps, end_ps = (np.rint(times * ratio).astype(np.int64) for times in (self.start_ps, self.end_ps))
        return Timeline(start_ps, end_ps, self.bound, self.last_signal)
