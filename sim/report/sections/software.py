"""How much of the time is software, and how much work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from moe_cosim.quantity import format_quantity
from moe_cosim.sim.report.parts import Panel, Part, Section, TextTable
from moe_cosim.sim.report.reported import ReportedRun
from moe_cosim.sim.report.sections.stack import stack
from moe_cosim.sim.results.rows import HOST

_SOFTWARE: Final = "software"


def section(runs: Sequence[ReportedRun]) -> Section:
    """A bar and a row for each run."""
    amounts = {run.name: _parts(run) for run in runs}
    says = "Shares of the whole run: software, and events by what bounds them; a bar for each run."
    chart = stack("The run's length", says, amounts, "s", "time", lambda name: name[:1].upper() + name[1:])
    rows = [
        [
            run.name,
            run.result.software or "unknown",
            f"{run.result.software_share:.1%}",
            _phase(run, "prefill", 1),
            _phase(run, "decode", run.result.decode_steps),
        ]
        for run in runs
    ]
    headings = ["Run", "Software", "#Share of the run", "#In the prefill", "#In a decode step"]
    parts: list[Part] = [chart, TextTable("", headings, rows)]
    return Section(
        _SOFTWARE,
        "Share of software",
        "Software is launching kernels, scheduling and handing over, as the named stack does: time in which no kernel "
        "that the run waits for works. `software: ideal` takes none.",
        [Panel("", parts, is_wide=True)],
    )


def _parts(run: ReportedRun) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in run.result.critical_path:
        name = _SOFTWARE if row.purpose == HOST else row.bound
        found[name] = found.get(name, 0.0) + row.seconds
    return found


def _phase(run: ReportedRun, phase: str, steps: int) -> str:
    if not steps:
        return "–"
    time_ps = sum(row.time_ps for row in run.result.critical_path if row.phase == phase and row.purpose == HOST)
    return format_quantity(time_ps / steps, "ps")
