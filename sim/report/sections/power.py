"""Power over time, stacked by component."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from moe_cosim.sim.display.names import component
from moe_cosim.sim.display.styles import styles
from moe_cosim.sim.display.units import shown
from moe_cosim.sim.report import palette
from moe_cosim.sim.report.parts import Chart, Part, Sentence
from moe_cosim.sim.report.reported import ReportedRun
from moe_cosim.sim.report.sections.stack import MOST, REST, REST_STYLE
from moe_cosim.sim.report.write_number import number

TITLE: Final = "Power over time"
READS: Final = (
    "Mean watts in equal spans of time. Components stand above each other, the one that takes most at the bottom; "
    "what has no figures is in none of them."
)


def parts(run: ReportedRun) -> list[Part]:
    """One chart of the components that take most, the rest as one; a sentence where power is unknown."""
    power, energy = run.result.power_over_time, run.result.energy
    if power is None or energy is None or not power.watts:
        return [Sentence("Power is unknown: this run was made by a version that did not count energy.", True)]
    watts = {name: np.array(values) for name, values in power.watts.items()}
    spans = len(next(iter(watts.values())))
    total_s = energy.joules / energy.mean_w if energy.mean_w else spans * power.span_s
    lasting_s = np.clip(total_s - np.arange(spans) * power.span_s, 0.0, power.span_s)  # the last may be cut short
    watts = {name: each * power.span_s / np.maximum(lasting_s, 1e-15) for name, each in watts.items()}
    order = sorted(watts, key=lambda name: -float(watts[name].sum()))
    kept = order if len(order) <= MOST else order[: MOST - 1]
    fills = {component(name): palette.fill(style) for name, style in styles(kept).items()}
    layers = {component(name): watts[name] for name in kept}
    if len(kept) < len(order):
        layers[REST] = np.sum([watts[name] for name in order if name not in kept], axis=0)
        fills[REST] = palette.fill(REST_STYLE)
    factor, unit = shown([total_s], "s")
    edges = np.append(np.arange(spans) * power.span_s, total_s) / factor
    values = [
        {"t": float(f"{edge:.6g}"), "part": name, "watts": float(f"{each[min(span, spans - 1)]:.5g}")}
        for name, each in layers.items()
        for span, edge in enumerate(edges.tolist())
    ]
    most = number(float(np.sum(list(layers.values()), axis=0).max()), "W")
    title = f"{number(energy.mean_w, 'W')} on average, {most} at most"
    says = f"Power of {run.name} over time, {title}, by component: {', '.join(layers)}."
    return [Chart(title, _spec(values, fills, unit), says)]


def _spec(values: list[dict[str, Any]], fills: dict[str, str], unit: str) -> dict[str, Any]:
    """Each value holds until the next time."""
    parts = {"domain": list(fills), "range": list(fills.values())}
    return {
        "height": 200,
        "data": {"values": values},
        "transform": [{"calculate": f"indexof({list(fills)!r}, datum.part)", "as": "place"}],
        "mark": {"type": "area", "interpolate": "step-after"},
        "encoding": {
            "x": {"field": "t", "type": "quantitative", "title": f"time ({unit})", "scale": {"nice": False}},
            "y": {"field": "watts", "type": "quantitative", "title": "W", "stack": "zero"},
            "order": {"field": "place"},
            "color": {"field": "part", "type": "nominal", "scale": parts, "legend": {"title": None, "columns": 4}},
            "tooltip": {"field": "part", "type": "nominal"},
        },
    }
