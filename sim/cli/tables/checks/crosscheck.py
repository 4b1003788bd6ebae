"""What ``moe-cosim crosscheck`` shows."""

from __future__ import annotations

from moe_cosim.sim.cli.table import Column, Note, Report, Table
from moe_cosim.sim.crosscheck.compare import CrossCheck


def crosscheck_report(outcome: CrossCheck) -> Report:
    """One row per case, then the bounds."""
    columns = (
        Column("name", "case", role="key"),
        Column("events", priority=2),
        Column("sst_ps", "SST", "ps"),
        Column("embedded_ps", "embedded", "ps", priority=1),
        Column("total_error", unit="share", form="+.2f"),
        Column("event_error_median", "event median", "share", ".2f"),
        Column("event_error_p95", "event 95 %", "share", ".2f"),
        Column("memory_bound_share", "by memory", "share", ".0f", priority=2),
        Column("memory", "SST's memory", priority=2),
        Column("wall_ratio", "wall", "x", ",.0f", priority=3),
    )
    said = outcome.as_dict()
    for case in said["cases"]:
        case["wall_ratio"] = case["sst_wall_s"] / case["embedded_wall_s"] if case["embedded_wall_s"] else None
    rows = [[case[column.name] for column in columns] for case in said["cases"]]
    source = "live" if outcome.live else "recorded"
    verdict = "; ".join(outcome.violations()) or "within the bounds"
    return [
        Table("cases", f"embedded engine against SST {outcome.sst_version}, {outcome.suite} ({source})", columns, rows),
        Note(f"all events: median {said['event_error_median']:.2%}, 95 % {said['event_error_p95']:.2%}; {verdict}"),
        Note(
            f"of their time, {said['time_within_2_percent']:.0%} passes in events that agree within 2 %, "
            f"{said['time_within_10_percent']:.0%} within 10 %"
        ),
    ]
