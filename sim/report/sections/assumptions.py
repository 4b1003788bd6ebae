"""What nobody published and the run took: those that move the answer most, where that was found out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from moe_cosim.sim.display.labels import label
from moe_cosim.sim.report.parts import Chart, Part, Sentence, TextTable
from moe_cosim.sim.report.reported import ReportedRun
from moe_cosim.sim.results.first_lines import not_varied
from moe_cosim.sim.sensitivity.metrics import METRICS
from moe_cosim.sim.sensitivity.sensitivity import Sensitivity
from moe_cosim.sim.sensitivity.swings import Swing

TITLE: Final = "Assumptions"
READS: Final = (
    "What a source leaves open is an assumption with a default, a range and a reason. Where `run --sensitivity` varied "
    "them, a bar says from where to where a figure goes while one assumption goes over its range; the dashed line is "
    "the figure as it is."
)
_MOST: Final = 12
"""Bars of a chart."""


def parts(run: ReportedRun) -> list[Part]:
    """Tornados where the run has a sensitivity, and the table of all."""
    rows = [
        [row.name, _said(row.value), " to ".join(_said(end) for end in row.range), row.source]
        for row in run.result.assumptions
    ]
    headings = ["Assumption", "Value", "Range", "Reason"]
    table = TextTable(f"All {len(rows)} assumptions of the run", headings, rows, folded=True)
    if run.sensitivity is None:
        return [Sentence(f"What moves the answer most: {not_varied(run.result)}."), table]
    return [*_tornados(run, run.sensitivity), table]


def _tornados(run: ReportedRun, sensitivity: Sensitivity) -> list[Part]:
    found: list[Part] = []
    for metric in sensitivity.metrics:
        for against in ("", *sensitivity.experiments[1:]):
            swings = [swing for swing in sensitivity.swings(metric, against) if swing.swing]
            if swings:
                found.append(_tornado(run, swings[:_MOST]))
    return found


def _tornado(run: ReportedRun, swings: Sequence[Swing]) -> Chart:
    metric, against, answer = swings[0].metric, swings[0].against, swings[0].answer
    name = label(metric if metric in METRICS and not hasattr(run.result.energy, metric) else f"energy.{metric}").name
    axis = f"times better than {against}" if against else METRICS[metric].label.unit
    values = [
        {"assumption": swing.assumption, "side": side, "from": answer, "to": end, "tip": _tip(swing)}
        for swing in swings
        for side, end in (("lower", swing.lowest), ("higher", swing.highest))
        if end != answer
    ]
    title = f"{name}, {axis}" if against else name
    says = f"{title} of {run.name} while one assumption goes over its range: " + "; ".join(
        f"{swing.assumption} {swing.lowest:.4g} to {swing.highest:.4g}" for swing in swings
    )
    x = {"type": "quantitative", "title": axis, "scale": {"zero": False}}
    bars = {
        "data": {"values": values},
        "mark": {"type": "bar"},
        "encoding": {
            "y": {
                "field": "assumption",
                "type": "nominal",
                "sort": [swing.assumption for swing in swings],
                "title": None,
                "axis": {"ticks": False},
            },
            "x": {**x, "field": "from"},
            "x2": {"field": "to"},
            "color": {
                "field": "side",
                "type": "nominal",
                "scale": {"domain": ["lower", "higher"], "range": ["var(--series-1)", "var(--series-0)"]},
                "legend": None,
            },
            "tooltip": {"field": "tip"},
        },
    }
    rule = {"data": {"values": [{"answer": answer}]}, "mark": {"type": "rule", "strokeDash": [4, 3]}}
    rule |= {"encoding": {"x": {**x, "field": "answer"}}}
    return Chart(title, {"height": 20 * len(swings), "layer": [bars, rule]}, says)


def _tip(swing: Swing) -> dict[str, str]:
    return {
        "assumption": swing.assumption,
        "as it is": f"{swing.answer:.4g}, at {_said(swing.value)}",
        "lowest": f"{swing.lowest:.4g}, at {_said(swing.lowest_at)}",
        "highest": f"{swing.highest:.4g}, at {_said(swing.highest_at)}",
    }


def _said(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
