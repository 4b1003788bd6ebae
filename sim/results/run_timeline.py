"""A run's timeline with the program it is of: what every event was, when it ran, what bound it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim import extras
from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.engines.timeline import BOUNDS, Timeline
from moe_cosim.sim.engines.timeline_file import load_timeline
from moe_cosim.workloads.programs.file import load_program
from moe_cosim.workloads.programs.program import KINDS, PHASES, PURPOSES, Program

if TYPE_CHECKING:
    import pandas


PROGRAM_FILE: Final = "program.zip"
TIMELINE_FILE: Final = "timeline.zip"
_OLD_TIMELINE_FILE: Final = "timeline.npz"


def timeline_path(folder: Path) -> Path:
    """Of the timeline in a run's folder, as it is called now or was in older versions."""
    old = folder / _OLD_TIMELINE_FILE
    return old if os.path.isfile(old) else folder / TIMELINE_FILE


@dataclass(frozen=True, kw_only=True)
class RunTimeline(Timeline):
    """A `Timeline`, one row per event of `program`."""

    program: Program

    def __repr__(self) -> str:
        """One line, where notebooks would print every event."""
        return f"<RunTimeline of {len(self.start_ps):,} events on {self.program.machine}, {self.total_ps / 1e12:.6g} s>"

    @classmethod
    def of_folder(cls, folder: Path) -> RunTimeline:
        """From the folder of a run, of this or an older version; `InputError` where its files are not whole."""
        for path in (folder / PROGRAM_FILE, timeline_path(folder)):
            if not os.path.isfile(path):
                raise InputError(folder, path.name, Plain("no such file"), "a run that kept program and timeline")
        program = load_program(folder / PROGRAM_FILE)
        timeline = load_timeline(timeline_path(folder), len(program.events))
        return cls(**vars(timeline), program=program)

    def to_frame(self) -> pandas.DataFrame:
        """One row per event: where it ran, what it was for, its bytes, its times in ps, its bound.

        `layer` and `expert` are -1 outside, `bytes` counts what is read and written, `last_signal` is
        the row of the event whose signal a wait was bound by, else -1. Needs pandas (the extra ``sweep``).
        """
        pd = extras.load("pandas", "to_frame")
        events, lanes = self.program.events, self.program.lanes
        tagged = len(self.program.tags) > 0
        tags = self.program.tags[events["tag"]] if tagged else np.zeros(len(events), self.program.tags.dtype)

        def words(codes: NDArray[np.integer], names: tuple[str, ...]) -> pandas.Categorical:
            return pd.Categorical.from_codes(codes, names)

        units = tuple(dict.fromkeys(unit for unit, _ in lanes))
        columns = {
            "unit": words(np.array([units.index(unit) for unit, _ in lanes])[events["lane"]], units),
            "lane": words(events["lane"], tuple(f"{unit}.{lane}" for unit, lane in lanes)),
            "kind": words(events["kind"], KINDS),
            "phase": words(tags["phase"], PHASES),
            "purpose": words(tags["purpose"], PURPOSES),
            **{name: tags[name] for name in ("step", "layer", "expert", "tokens", "weight_bits")},
            "bytes": self.moved_bytes(),
            "start_ps": self.start_ps,
            "end_ps": self.end_ps,
        }
        if self.bound is not None:
            columns |= {"bound": words(self.bound, BOUNDS), "last_signal": self.last_signal}
        return pd.DataFrame(columns).rename_axis("event")

    def moved_bytes(self) -> NDArray[np.int64]:
        """[E] read and written."""
        events = self.program.events
        summed = np.concatenate([[0], np.cumsum(self.program.accesses["bytes"].astype(np.int64))])
        first = events["first_access"].astype(np.int64)
        return np.asarray(summed[first + events["accesses"]] - summed[first])
