"""What ``moe-cosim crosscheck`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from moe_cosim.sim.cli.table import Column, Note, Report, Table
from moe_cosim.sim.crosscheck.compare import CrossCheck

_REFRESHED: Final = (
    Column("refreshed_event_error_median", "refreshed median", "share", ".2f", priority=2),
    Column("refreshed_event_error_p95", "refreshed 95 %", "share", ".2f", priority=2),
)
"""The same of the same events on memories that are refreshed."""


def crosscheck_report(outcome: CrossCheck) -> Report:
    """One row per case, then the bounds."""
    said = outcome.as_dict()
    refreshed = "refreshed_event_error_median" in said
    columns = (
        Column("name", "case", role="key"),
        Column("events", priority=2),
        Column("sst_ps", "SST", "ps"),
        Column("embedded_ps", "embedded", "ps", priority=1),
        Column("total_error", unit="share", form="+.2f"),
        Column("event_error_median", "event median", "share", ".2f"),
        Column("event_error_p95", "event 95 %", "share", ".2f"),
        *(_REFRESHED if refreshed else ()),
        Column("memory_bound_share", "by memory", "share", ".0f", priority=2),
        Column("memory", "SST's memory", priority=2),
        Column("wall_ratio", "wall", "x", ",.0f", priority=3),
    )
    for case in said["cases"]:
        case["wall_ratio"] = case["sst_wall_s"] / case["embedded_wall_s"] if case["embedded_wall_s"] else None
    rows = [[case.get(column.name) for column in columns] for case in said["cases"]]
    source = "live" if outcome.live else "recorded"
    verdict = "; ".join(outcome.violations()) or "within the bounds"
    return [
        Table("cases", f"embedded engine against SST {outcome.sst_version}, {outcome.suite} ({source})", columns, rows),
        *([Note(_with_refreshes(said))] if refreshed else []),
        Note(f"{_judged(said, refreshed)}; {verdict}"),
        Note(
            f"of their time, {said['time_within_2_percent']:.0%} passes in events that agree within 2 %, "
            f"{said['time_within_10_percent']:.0%} within 10 %"
        ),
    ]


def _judged(said: Mapping[str, Any], refreshed: bool) -> str:
    which = "all events, on memories that are never refreshed" if refreshed else "all events"
    return f"{which}: median {said['event_error_median']:.2%}, 95 % {said['event_error_p95']:.2%}"


def _with_refreshes(said: Mapping[str, Any]) -> str:
    median, p95 = said["refreshed_event_error_median"], said["refreshed_event_error_p95"]
    return (
        f"all events, on memories that are refreshed, as the totals are: median {median:.2%}, 95 % {p95:.2%}; "
        "no bound applies, since a refresh may meet a kernel on one side alone"
    )
