"""Which of two systems on the same machine is faster: predicted against measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from moe_cosim.sim.validate.compared import ComparedRow

TIE: Final = 0.10
"""Measurements of a pair that differ by less than this share of the smaller one say nothing about their order."""


@dataclass(frozen=True)
class Ranking:
    """The pairs of one group's rows of one metric."""

    group: str
    metric: str
    right: int
    tied: int
    """Pairs measured too close to be ordered."""
    wrong: tuple[tuple[str, str], ...]
    """(the one measured larger, the one that was predicted as large or larger)."""

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "group": self.group,
            "metric": self.metric,
            "right": self.right,
            "tied": self.tied,
            "wrong": len(self.wrong),
            "wrong_pairs": [list(pair) for pair in self.wrong],
        }


def rankings(rows: Iterable[ComparedRow], by: str) -> list[Ranking]:
    """One for each group (by `by`) and metric that has at least two rows."""
    together: dict[tuple[str, str], list[ComparedRow]] = {}
    for row in rows:
        together.setdefault((row.groups[by], row.metric), []).append(row)
    return [_ranking(*name, members) for name, members in together.items() if len(members) > 1]


def _ranking(group: str, metric: str, rows: list[ComparedRow]) -> Ranking:
    right, tied, wrong = 0, 0, []
    for one, other in combinations(rows, 2):
        large, small = (one, other) if one.measured >= other.measured else (other, one)
        if large.measured - small.measured < TIE * small.measured:
            tied += 1
        elif large.predicted > small.predicted:
            right += 1
        else:
            wrong.append((large.what, small.what))
    return Ranking(group, metric, right, tied, tuple(wrong))
