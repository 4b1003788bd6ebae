"""What was found: the figures of every run, and the swings that they make."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from moe_cosim import extras
from moe_cosim.errors import InputError, Plain, RunError, what_failed
from moe_cosim.plain_file import read_plain
from moe_cosim.sim.results.rows import check_kinds
from moe_cosim.sim.sensitivity.plan import NotVaried
from moe_cosim.sim.sensitivity.swings import Swing, VariedRun, swings
from moe_cosim.version import VERSION
from moe_cosim.whole_file import write_whole

if TYPE_CHECKING:
    import pandas

FILE: Final = "sensitivity.json"
"""In the folder of a run."""
FORMAT: Final = 1


@dataclass(frozen=True)
class Sensitivity:
    """One run, perhaps beside others, with each of their assumptions at the ends of its range, one at a time."""

    experiments: list[str]
    """The names of the run and of those that it is held against."""
    metrics: list[str]
    """Those that were asked for, the first of all first; `runs` have the others too."""
    runs: list[VariedRun]
    """Those with nothing varied first, one per experiment."""
    not_varied: list[NotVaried]
    wall_s: float
    version: str = field(default=VERSION)

    def swings(self, metric: str, against: str = "") -> list[Swing]:
        """The largest first: of the run's own figure, or of how many times better it is than the run `against`.

        Raises `InputError` for a metric or a run that is not there.
        """
        name = self.experiments[0]
        if against and against not in self.experiments[1:]:
            raise InputError("sensitivity", "against", against, self.experiments[1:])
        if any(
            metric not in run.figures for run in self.runs if not run.assumption and run.experiment in (name, against)
        ):
            raise InputError("sensitivity", "metric", metric, self.runs[0].figures)
        return swings(self.runs, name, metric, against)

    def all_swings(self) -> list[Swing]:
        """Of every metric that was asked for: the run's own, then those against the others."""
        return [
            swing
            for metric in self.metrics
            for against in ("", *self.experiments[1:])
            for swing in self.swings(metric, against)
        ]

    @property
    def failed(self) -> list[VariedRun]:
        """Runs that ended with an error, which no swing counts."""
        return [run for run in self.runs if run.error is not None]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON; `swings` follow from `runs`."""
        return {"format": FORMAT, **asdict(self), "swings": [swing.as_dict() for swing in self.all_swings()]}

    def save(self, folder: str | Path) -> None:
        """Beside the result in the folder of a run. Raises `RunError` where that cannot be written."""
        document = json.dumps(self.as_dict(), indent=2, allow_nan=False) + "\n"
        try:
            write_whole(Path(folder) / FILE, document.encode())
        except OSError as error:
            raise RunError(f"{folder}: cannot write there: {error.strerror}") from None

    @classmethod
    def load(cls, folder: str | Path) -> Sensitivity:
        """What `save` left. Raises `InputError` for a folder without it, or with another format."""
        folder, allowed = Path(folder), "the folder of a run with --sensitivity"
        try:
            saved = json.loads(read_plain(folder / FILE))
            if not isinstance(saved, dict) or saved.pop("format", None) != FORMAT:
                raise InputError(folder, FILE, Plain("another format"), f"format {FORMAT}")
            saved.pop("swings")
            runs: Sequence[dict[str, Any]] = saved.pop("runs")
            found = cls(
                runs=[VariedRun(**run) for run in runs],
                not_varied=[NotVaried(**each) for each in saved.pop("not_varied")],
                **saved,
            )
            for row in (*found.runs, *found.not_varied):
                check_kinds(row)
        except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
            raise InputError(folder, FILE, what_failed(error), allowed) from None
        return found

    def to_frame(self) -> pandas.DataFrame:
        """`all_swings` as a pandas DataFrame. Needs pandas (the extra ``sweep``)."""
        pd = extras.load("pandas", "to_frame")
        return pd.DataFrame([swing.as_dict() for swing in self.all_swings()])
