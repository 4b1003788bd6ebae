"""What ``moe-cosim quantize`` shows."""

from __future__ import annotations

from typing import Any

from moe_cosim.sim.cli.table import Column, Note, Report, Table


def losses_report(summary: dict[str, Any]) -> Report:
    """A row per width; `summary` as `Measured.summary` makes it."""
    columns = (
        Column("bits", role="key"),
        Column("mean_loss", form=".4g"),
        Column("least_loss", form=".4g", priority=2),
        Column("largest_loss", form=".4g", priority=2),
        Column("delta_loss", heading="Δ loss, all layers", form=".4g", priority=1),
        Column("delta_loss_error", heading="±", form=".2g", priority=1),
        Column("lowered", heading="worse than fewer bits", priority=3),
    )
    rows = [[row[column.name] for column in columns] for row in summary["widths"]]
    title = f"{summary['model']}, {summary['method']}: {summary['loss_is']}"
    notes = [Note(f"{summary['unseen']} experts that no token was routed to", "measured on all tokens:")]
    return [Table("losses", title, columns, rows), *(notes if summary["unseen"] else [])]
