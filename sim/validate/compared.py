"""Rows of a validation: what was predicted beside what was measured, and what could not be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moe_cosim.sim.validate.csv_rows import SOURCE, CsvRow


@dataclass(frozen=True)
class ComparedRow:
    """One measured figure and its prediction, in the same unit."""

    kind: str
    row: CsvRow
    what: str
    """What was measured, for people."""
    metric: str
    unit: str
    predicted: float
    measured: float
    groups: Mapping[str, str]
    """The group it belongs to, by what rows are grouped by (``device``, ``model``, ...)."""
    notes: tuple[str, ...] = ()
    more: Mapping[str, float] = field(default_factory=dict)
    """Other figures of the same measurement, by name."""
    fitted_apart: bool | None = None
    """Whether this figure served to fit, where the row's own word is of others."""

    @property
    def error(self) -> float:
        """Relative to the measurement; positive: predicted too large."""
        return (self.predicted - self.measured) / self.measured

    @property
    def fitted(self) -> bool:
        """Whether a constant of the prediction saw the measurement."""
        return self.row.fitted if self.fitted_apart is None else self.fitted_apart

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "kind": self.kind,
            "file": self.row.file.name,
            "line": self.row.line,
            "what": self.what,
            "metric": self.metric,
            "unit": self.unit,
            "predicted": self.predicted,
            "measured": self.measured,
            "error": self.error,
            "fitted": self.fitted,
            "groups": dict(self.groups),
            "source": self.row.text(SOURCE),
            "notes": list(self.notes),
            **self.more,
        }


@dataclass(frozen=True)
class Refused:
    """A row that cannot be predicted, and why in one line."""

    kind: str
    row: CsvRow
    why: str

    def as_dict(self) -> dict[str, Any]:
        """`row` holds the row's cells as they were given."""
        return {
            "row": dict(self.row.cells),
            "why": self.why,
            "kind": self.kind,
            "file": self.row.file.name,
            "line": self.row.line,
        }


_BUCKETS = (8, 64, 256, 1024)


def bucket(tokens: float) -> str:
    """The range of token counts or batch sizes that rows are grouped by."""
    low = 1
    for high in _BUCKETS:
        if tokens <= high:
            return f"{low}-{high}"
        low = high + 1
    return f"over {_BUCKETS[-1]}"
