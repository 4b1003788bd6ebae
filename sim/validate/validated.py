"""What ``moe-cosim validate`` prints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from moe_cosim.assumptions import Assumption
from moe_cosim.sim.validate.compared import ComparedRow, Refused
from moe_cosim.sim.validate.ranking import Ranking
from moe_cosim.sim.validate.statistics import Statistics
from moe_cosim.version import VERSION


@dataclass(frozen=True)
class Group:
    """Rows of one kind and metric that have something in common; those that served to fit are apart."""

    kind: str
    metric: str
    by: str
    """What they have in common (``device``), or ``all``."""
    group: str
    fitted: bool
    errors: Statistics

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        named = {"kind": self.kind, "metric": self.metric, "by": self.by, "group": self.group, "fitted": self.fitted}
        return {**named, **self.errors.as_dict()}


@dataclass(frozen=True)
class Validated:
    """Predicted beside measured."""

    rows: list[ComparedRow]
    refused: list[Refused]
    rankings: list[Ranking]
    assumptions: list[Assumption]
    version: str = field(default=VERSION)

    def groups(self) -> list[Group]:
        """All rows of a kind and metric first, then by everything they are grouped by."""
        together: dict[tuple[str, str, str, str, bool], list[float]] = {}
        for row in self.rows:
            for by, group in {"all": "all", **row.groups}.items():
                together.setdefault((row.kind, row.metric, by, group, row.fitted), []).append(row.error)
        order = {by: place for place, by in enumerate(dict.fromkeys(name[2] for name in together))}
        names = sorted(together, key=lambda name: (name[:2], order[name[2]]))
        return [Group(*name, Statistics.of(together[name])) for name in names]

    def as_dict(self) -> dict[str, Any]:
        """Of all rows at the top; ``fitted`` and ``not_fitted`` hold the same of each part."""
        return {
            **_of(self.rows),
            "fitted": _of(row for row in self.rows if row.fitted),
            "not_fitted": _of(row for row in self.rows if not row.fitted),
            "rows": [row.as_dict() for row in self.rows],
            "groups": [group.as_dict() for group in self.groups()],
            "rankings": [ranking.as_dict() for ranking in self.rankings],
            "refused": [row.as_dict() for row in self.refused],
            "assumptions": [assumption.as_dict() for assumption in self.assumptions],
            "version": self.version,
        }


def _of(rows: Iterable[ComparedRow]) -> dict[str, Any]:
    return Statistics.of([row.error for row in rows]).as_dict()
