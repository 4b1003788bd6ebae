"""Bandwidth over time of every memory and link, and power over time."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.display.names import component
from moe_cosim.sim.display.units import shown
from moe_cosim.sim.report.parts import Chart, Part, Sentence
from moe_cosim.sim.report.rates import bytes_by_span
from moe_cosim.sim.report.reported import ReportedRun
from moe_cosim.sim.report.write_number import number
from moe_cosim.sim.results.energy.components import group_names

TITLE = "Bandwidth over time"
READS = (
    "A chart for each memory and each direction of each link that moved anything, over the whole run. The dashed line "
    "is the peak. Where there are several alike, the line is their mean and the band reaches from the least to the "
    "most used. An event's bytes are spread evenly over its time."
)
SPANS: Final = 240


def parts(run: ReportedRun) -> list[Part]:
    """A chart for each memory and link that moved something; resources of one kind share one."""
    timeline = run.timeline
    total_ns = timeline.total_ps // 1000
    moved = bytes_by_span(run.machine, run.transfers, total_ns, SPANS)
    rates = moved / (max(total_ns, 1) / SPANS * 1e-9)
    charts: list[Part] = []
    idle = []
    for name, members in _groups(run.machine).items():
        if moved[members].any():
            charts.append(_chart(name, rates[members], run.machine.resources[members[0]].bytes_per_s, total_ns))
        else:
            idle.append(component(name))
    if idle:
        charts.append(Sentence(f"Nothing went through {', '.join(idle)}."))
    return charts


def _groups(machine: Machine) -> dict[str, list[int]]:
    """Indices of resources that are the same of several instances, by the name of all; those without a limit left
    out."""
    names = group_names(machine)
    found: dict[str, list[int]] = {}
    for index, resource in enumerate(machine.resources):
        if math.isfinite(resource.bytes_per_s):
            found.setdefault(_group(resource.name, names), []).append(index)
    return found


def _group(name: str, names: dict[str, str]) -> str:
    """``dimm*.dram``; of a link's direction ``channel*:host.hub->channel*.bus``."""
    owner, colon, way = name.partition(":")
    if not colon:
        return names[owner]
    if "->" in way:
        source, _, target = way.partition("->")
        return f"{names[owner]}:{names[source]}->{names[target]}"
    member, dot, direction = way.rpartition(":")
    return f"{names[owner]}:{names[member]}:{direction}" if dot else f"{names[owner]}:{way}"


def _chart(name: str, rates: NDArray[np.float64], peak: float, total_ns: int) -> Chart:
    """`rates` [instances, SPANS] in bytes/s."""
    factor, unit = shown([peak], "B/s")
    seconds, time_unit = shown([total_ns * 1e-9], "s")
    middle = (np.arange(SPANS) + 0.5) * (total_ns * 1e-9 / SPANS / seconds)
    columns = (middle, rates.mean(axis=0) / factor, rates.min(axis=0) / factor, rates.max(axis=0) / factor)
    values = [
        {key: float(f"{value:.4g}") for key, value in zip(("t", "mean", "least", "most"), row, strict=True)}
        for row in zip(*columns, strict=True)
    ]
    count = f" ({len(rates)} alike)" if len(rates) > 1 else ""
    mean = rates.mean()
    title = f"{component(name)}{count}: {number(mean, 'B/s')} of {number(peak, 'B/s')} on average"
    return Chart(
        title, _spec(values, peak / factor, unit, time_unit, len(rates) > 1), f"Bandwidth over time of {title}."
    )


def _spec(values: list[dict[str, Any]], peak: float, unit: str, time_unit: str, is_many: bool) -> dict[str, Any]:
    x = {"field": "t", "type": "quantitative", "title": f"time ({time_unit})", "scale": {"nice": False, "domainMin": 0}}
    y = {"type": "quantitative", "title": unit, "axis": {"tickCount": 3}, "scale": {"domainMin": 0}}
    low, high = ("least", "most") if is_many else ("zero", "mean")
    band: dict[str, Any] = {"mark": {"type": "area", "color": "var(--series-6)", "opacity": 0.55}}
    band["encoding"] = {"x": x, "y": {**y, "field": high}} | ({"y2": {"field": low}} if is_many else {})
    line = {
        "mark": {"type": "line", "color": "var(--series-0)", "strokeWidth": 1},
        "encoding": {"x": x, "y": {**y, "field": "mean"}},
    }
    rule = {
        "data": {"values": [{"peak": peak}]},
        "mark": {"type": "rule", "strokeDash": [4, 3]},
        "encoding": {"y": {**y, "field": "peak"}},
    }
    return {"height": 64, "data": {"values": values}, "layer": [band, line, rule]}
