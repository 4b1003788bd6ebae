"""What ``moe-cosim trace`` shows."""

from __future__ import annotations

from moe_cosim.quantity import format_quantity
from moe_cosim.sim.cli.table import Note, Report
from moe_cosim.sim.trace.trace import WrittenTrace


def trace_report(written: WrittenTrace) -> Report:
    """What of the run the file has, and where to open it."""
    total = format_quantity(written.total_ps, "ps")
    return [
        Note(f"{written.events:,} events of a run of {total}: {written.packets:,} packets, {written.bytes:,} bytes"),
        Note(f"open {written.file} at https://ui.perfetto.dev"),
    ]
