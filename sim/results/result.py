"""What one run found out, as numbers with units in their names."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from moe_cosim.errors import InputError, Plain, RunError, what_failed
from moe_cosim.plain_file import read_plain
from moe_cosim.sim.results.rows import (
    BY_NAME,
    HOST,
    ROWS,
    AssumptionRow,
    ClassRow,
    EnergyPurposeRow,
    EnergyRow,
    EnergySummary,
    ExpertSummary,
    Extrapolation,
    LinkRow,
    MemoryRow,
    MoveRow,
    PathRow,
    PowerOverTime,
    PrecisionRow,
    Row,
    TrafficRow,
    UnitRow,
    VerifySummary,
    check_kinds,
)
from moe_cosim.sim.results.run_timeline import RunTimeline

if TYPE_CHECKING:
    import pandas

SCHEMA_VERSION: Final = 1
"""Of `Result.as_dict`: another number where a field goes or means something else. A field that came later has a
value for the results of older versions, which do not say it."""


@dataclass(frozen=True)
class Result:
    """Numbers and rows of numbers: `as_dict` is what ``--json`` prints and ``result.json`` holds."""

    schema_version: ClassVar[int] = SCHEMA_VERSION
    status: str
    name: str
    version: str
    engine: str
    machine: str
    model: str
    policy: str
    routing: str
    seed: int
    decode_tokens_per_s: float | None
    """Generated tokens after the first, over the time after the first; None without decode steps."""
    end_to_end_s: float
    end_to_end_tokens_per_s: float
    """All generated tokens over the whole time."""
    time_to_first_token_s: float
    decode_s: float
    decode_steps: int
    near_data_busy_per_expert_s: float | None
    """Mean time of one expert kernel near the data, decode only."""
    units: list[UnitRow]
    memories: list[MemoryRow]
    links: list[LinkRow]
    traffic: dict[str, TrafficRow]
    """Bytes of the whole run by contents (weights, activations, kv)."""
    experts: ExpertSummary
    expert_classes: list[ClassRow]
    expert_moves: dict[str, MoveRow]
    policy_report: dict[str, float]
    """Figures of the policy's own."""
    mean_loss: float | None
    critical_path: list[PathRow]
    """The largest part first; the seconds sum to the whole run."""
    events: int
    wall_s: float
    lowering_s: float
    engine_s: float
    assumptions: list[AssumptionRow]
    extrapolation: Extrapolation | None = None
    """Where only a window of the program ran on the engine: which, and how the rest was estimated."""
    measuring_s: float | None = None
    """None, as `writing_s`: a result of an older version."""
    writing_s: float | None = None
    """Of program and timeline into the run's folder."""
    software: str | None = None
    """The stack that launched the kernels; None: a result of an older version."""
    precisions: list[PrecisionRow] = field(default_factory=list)
    energy: EnergySummary | None = None
    """None, as the empty tables below: a result of an older version."""
    energy_components: list[EnergyRow] = field(default_factory=list)
    """The joules sum to those of `energy`, as do those of the next."""
    energy_purposes: list[EnergyPurposeRow] = field(default_factory=list)
    power_over_time: PowerOverTime | None = None
    losses: str | None = None
    """Where `mean_loss` is from: synthetic, given, measured on which weights and how, or transferred; None: a result of
    an older version."""
    delta_loss: float | None = None
    """Expected change of the model's loss in nats per token, where losses were measured on this very model."""
    verify: VerifySummary | None = None
    """None: a step yields one token of each sequence."""
    _timeline: RunTimeline | Path | None = field(default=None, repr=False, compare=False)
    """Or the folder that has it."""

    @property
    def timeline(self) -> RunTimeline:
        """Start, end and bound of every event, with the program. `RunError` where the result came without it."""
        if self._timeline is None:
            raise RunError(
                "this result came without its timeline (not kept, or from another process): run again, or load a folder"
            )
        return RunTimeline.of_folder(self._timeline) if isinstance(self._timeline, Path) else self._timeline

    @property
    def software_share(self) -> float:
        """Of the critical path: launching, scheduling, handing over."""
        return sum(row.share for row in self.critical_path if row.purpose == HOST)

    def kept_in(self, folder: Path) -> Result:
        """The same, with its timeline in the `folder` of the run."""
        return replace(self, _timeline=folder)

    def without_timeline(self) -> Result:
        """For those who keep many results: the numbers alone."""
        return replace(self, _timeline=None)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; not the timeline."""
        rows = {name: _plain(value) for name, value in vars(self).items() if name != "_timeline"}
        return {"schema_version": self.schema_version, **rows}

    @classmethod
    def load(cls, folder: str | Path) -> Result:
        """What a run with ``out`` left in `folder`; its timeline is read when asked for.

        Raises `InputError` for a folder without a result, or with one of another schema version.
        """
        folder, allowed = Path(folder), "the folder of a finished run"
        try:
            saved = json.loads(read_plain(folder / "result.json"))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(folder, "result.json", what_failed(error), allowed) from None
        version = saved.pop("schema_version", None) if isinstance(saved, dict) else None
        if version != SCHEMA_VERSION:
            found = Plain(f"an older or other result (schema version {version})")
            raise InputError(folder, "result.json", found, f"that of a finished run, schema version {SCHEMA_VERSION}")
        try:
            result = cls(**{name: _typed(name, value) for name, value in saved.items()}, _timeline=folder)
            check_kinds(result)
            return result
        except (TypeError, AttributeError) as error:
            raise InputError(folder, "result.json", Plain(str(error)), allowed) from None

    def to_frame(self, table: str = "critical_path") -> pandas.DataFrame:
        """A table of the result as a pandas DataFrame, columns as in ``result.json``.

        `table` is the name of a field that holds rows, or ``figures``: one row of all single numbers
        and names, to be put under those of other runs. Needs pandas (the extra ``sweep``).
        """
        from moe_cosim.sim.results.frames import frame

        return frame(self, table)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from moe_cosim.sim.results.report import notebook

        return notebook(self)

    def __getstate__(self) -> dict[str, Any]:
        """Other processes get the numbers alone: a timeline may be a thousand times as large."""
        return {**vars(self), "_timeline": None}


def _plain(value: Any) -> Any:
    if isinstance(value, Row):
        return value.as_dict()
    if isinstance(value, list):
        return [row.as_dict() for row in value]
    if isinstance(value, dict):
        return {name: _plain(row) for name, row in value.items()}
    return value


def _typed(name: str, value: Any) -> Any:
    """The other way round; `TypeError` or `AttributeError` for what is not as `_plain` leaves it."""
    if name not in ROWS or value is None:
        return value
    row = ROWS[name]
    if name in BY_NAME:
        return {key: row.of(entry) for key, entry in value.items()}
    return [row.of(entry) for entry in value] if isinstance(value, list) else row.of(value)
