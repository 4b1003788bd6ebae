"""What ``moe-cosim report`` and ``sweep report`` show."""

from __future__ import annotations

from moe_cosim.sim.cli.table import Note, Report
from moe_cosim.sim.report.write import WrittenReport


def written_report(written: WrittenReport) -> Report:
    """Which file to open."""
    return [Note(f"{', '.join(written.of)}: {written.bytes / 1e6:.1f} MB, open {written.file} in a browser")]
