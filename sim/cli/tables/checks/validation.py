"""What ``moe-cosim validate`` shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from moe_cosim.sim.cli.table import Column, Note, Report, Table
from moe_cosim.sim.cli.tables.results.assumptions import assumptions_table
from moe_cosim.sim.validate.ranking import TIE
from moe_cosim.sim.validate.validated import Validated

_CLOSE: Final = 0.15
"""A relative error so small is green."""
_MORE: Final = ("predicted_watts", "measured_watts", "predicted_joules_per_token", "measured_joules_per_token")
"""Columns of CSV alone: of served models, with each of their figures."""


def validation_report(outcome: Validated) -> Report:
    """Rows, what they come to, rankings, what was refused, assumptions."""
    return [
        _rows(outcome),
        _groups(outcome),
        _rankings(outcome),
        _refused(outcome),
        assumptions_table([each.as_dict() for each in outcome.assumptions]),
        Note("error: (predicted - measured) / measured; bias: its mean; mean, median, 95 %: of its size", dim=True),
    ]


def _error(name: str, heading: str = "") -> Column:
    return Column(name, heading, unit="share", style=_colour)


def _colour(error: float | None) -> str:
    return "" if error is None else "green" if abs(error) <= _CLOSE else "yellow"


def _rows(outcome: Validated) -> Table:
    columns = (
        Column("kind", role="group"),
        Column("file", role="key", priority=2),
        Column("line", role="key", priority=1),
        Column("what", role="key"),
        Column("metric", priority=1),
        Column("unit"),
        Column("predicted", form=".4g"),
        Column("measured", form=".4g"),
        _error("error"),
        Column("fitted", priority=1),
    )
    rows = [
        (
            row.kind,
            row.row.file.name,
            row.row.line,
            row.what,
            row.metric,
            row.unit,
            row.predicted,
            row.measured,
            row.error,
            row.fitted,
        )
        for row in outcome.rows
    ]
    title = "predicted beside measured"
    more = [tuple(row.more.get(name) for name in _MORE) for row in outcome.rows]
    every = [(*row, *beside) for row, beside in zip(rows, more, strict=True)]
    view = Table("rows", title, columns, rows)
    return Table("rows", title, (*columns, *map(Column, _MORE)), every, view=view)


def _groups(outcome: Validated) -> Table:
    columns = (
        Column("kind", role="group"),
        Column("metric", role="key"),
        Column("by", role="key"),
        Column("group", role="key"),
        Column("fitted", role="key"),
        Column("n"),
        _error("mean_abs", "mean"),
        _error("median_abs", "median"),
        _error("p95_abs", "95 %"),
        _error("worst"),
        _error("bias"),
    )
    rows = [tuple(group.as_dict()[column.name] for column in columns) for group in outcome.groups()]
    return Table("groups", "errors, by what rows have in common", columns, rows)


def _rankings(outcome: Validated) -> Table:
    columns = (
        Column("group", role="key"),
        Column("metric", role="key"),
        Column("right"),
        Column("tied"),
        Column("wrong"),
        Column("wrong_pairs", role="prose"),
    )
    rows = [
        (one.group, one.metric, one.right, one.tied, len(one.wrong), "; ".join(" > ".join(pair) for pair in one.wrong))
        for one in outcome.rankings
    ]
    title = f"order of pairs (tied: measured less than {TIE:.0%} apart; wrong pairs as measured)"
    return Table("rankings", title, columns, rows)


def _refused(outcome: Validated) -> Table:
    """People see lines together that are refused for one reason."""
    columns = (
        Column("kind", role="group"),
        Column("file", role="key", priority=1),
        Column("line", role="key"),
        Column("why", role="prose"),
    )
    title = "rows without a prediction"
    rows = [(one.kind, one.row.file.name, one.row.line, one.why) for one in outcome.refused]
    lines: dict[tuple[str, str, str], list[int]] = {}
    for kind, file, line, why in rows:
        lines.setdefault((kind, file, why), []).append(line)
    together = [(kind, file, _ranges(numbers), why) for (kind, file, why), numbers in lines.items()]
    view = Table("refused", title, (*columns[:2], Column("line", "lines", role="key"), columns[3]), together)
    return Table("refused", title, columns, rows, view=view)


def _ranges(lines: Sequence[int]) -> str:
    """Increasing numbers as people write them: ``2-5, 9``."""
    starts = [line for line, before in zip(lines, (None, *lines), strict=False) if before is None or line != before + 1]
    ends = [line for line, after in zip(lines, (*lines[1:], None), strict=True) if after is None or after != line + 1]
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))
