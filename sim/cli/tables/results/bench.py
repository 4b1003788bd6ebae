"""What ``moe-cosim bench`` shows."""

from __future__ import annotations

from collections.abc import Sequence

from moe_cosim.sim.bench import Speed
from moe_cosim.sim.cli.table import Column, Report, Table

_PHASES = ("planning", "engine", "measuring", "other")


def bench_report(speeds: Sequence[Speed]) -> Report:
    """Two tables: rates, and what share of the wall time each phase took."""
    rates = (
        Column("benchmark", role="key"),
        Column("experiment", priority=2),
        Column("points", priority=1),
        Column("wall_s", heading="wall", unit="s"),
        Column("events_per_s", heading="events/s", form=",.0f"),
        Column("tokens_per_s", heading="tokens/s", form=",.0f"),
        Column("points_per_s", heading="points/s", form=",.1f"),
    )
    phases = (
        Column("benchmark", role="key"),
        *(Column(f"{phase}_share", heading=phase, unit="share") for phase in _PHASES),
    )
    said = [speed.as_dict() for speed in speeds]
    shares = [(row["name"], *(row[f"{phase}_s"] / row["wall_s"] for phase in _PHASES)) for row in said]
    rows = [(row["name"], *(row[column.name] for column in rates[1:])) for row in said]
    return [Table("speed", "on this machine", rates, rows), Table("phases", "where the time goes", phases, shares)]
