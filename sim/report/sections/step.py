"""The timeline of one step: who worked when, on what; and how long every step took."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError
from moe_cosim.quantity import format_quantity
from moe_cosim.sim.display.names import component, purpose
from moe_cosim.sim.display.styles import COLOURS, FIXED, styles
from moe_cosim.sim.display.units import shown
from moe_cosim.sim.kept.durations import step_seconds
from moe_cosim.sim.report import palette
from moe_cosim.sim.report.parts import Chart, Part, Sentence
from moe_cosim.sim.report.reported import ReportedRun
from moe_cosim.workloads.programs.program import PURPOSES

TITLE = "Timeline of a step"
READS = (
    "Each row is a lane of a unit; a bar is what it works on, a gap is waiting. Time runs from the step's first event. "
    "`report --step N` draws another one, `moe-cosim trace` the whole run."
)
_FINEST: Final = 1000
"""Bars of one purpose that are less than this part of the step apart are drawn as one."""
_MOST_BARS: Final = 4000
_MOST_STEPS: Final = 400


def parts(run: ReportedRun, step: int | None) -> list[Part]:
    """`step` None: the decode step of median length, or the prefill of a run that decodes nothing. `InputError` for a
    step that the run does not have."""
    last = int(run.tags["step"].max(initial=0))
    if step is not None and not 0 <= step <= last:
        raise InputError(run.kept.folder, "--step", step, f"0 to {last}")
    seconds = step_seconds(run.kept)
    chosen = _median(seconds) if step is None else step
    return [_timeline(run, chosen), *([_lengths(run, seconds, chosen)] if len(seconds) > 1 else [])]


def _median(seconds: NDArray[np.float64]) -> int:
    return int(np.argsort(seconds, kind="stable")[(len(seconds) - 1) // 2]) + 1 if len(seconds) else 0


def _timeline(run: ReportedRun, step: int) -> Part:
    timeline, program = run.timeline, run.timeline.program
    rows = np.flatnonzero(run.works & (run.tags["step"] == step) & (timeline.end_ps > timeline.start_ps))
    if not len(rows):
        return Sentence(f"Step {step} has no event that takes time.")
    begin_ps, lane = timeline.start_ps[rows], program.events["lane"][rows].astype(np.int64)
    first_ps, last_ps = int(begin_ps.min()), int(timeline.end_ps[rows].max())
    bars = _bars(rows, lane, run, (last_ps - first_ps) // _FINEST)
    drawn = np.sort(np.argsort(bars["begin"] - bars["end"], kind="stable")[:_MOST_BARS])
    factor, unit = shown([(last_ps - first_ps) * 1e-12], "s")
    scale = 1e-12 / factor
    lanes = [f"{component(unit)}, {name}" if name != "main" else component(unit) for unit, name in program.lanes]
    used = [lanes[index] for index in np.unique(lane)]
    values = [
        {
            "lane": lanes[bars["lane"][bar]],
            "begin": round((bars["begin"][bar] - first_ps) * scale, 6),
            "end": round((bars["end"][bar] - first_ps) * scale, 6),
            "purpose": purpose(PURPOSES[bars["purpose"][bar]]),
            "tip": _tip(bars, bar, lanes),
        }
        for bar in drawn.tolist()
    ]
    note = f"{len(rows):,} events as {len(drawn):,} bars"
    if len(drawn) < len(bars["begin"]):
        share = 1 - (bars["busy"][drawn].sum() / bars["busy"].sum())
        note += f"; {len(bars['begin']) - len(drawn):,} shorter ones, {share:.2%} of the work, are not drawn"
    title = f"{'Prefill' if step == 0 else f'Decode step {step}'}, {format_quantity(last_ps - first_ps, 'ps')}"
    says = f"{title} of {run.name}: which of {len(used)} lanes worked when, and on what."
    return Chart(title, _spec(values, used, f"time ({unit})"), says, f"{note}.")


def _bars(rows: NDArray[np.int64], lane: NDArray[np.int64], run: ReportedRun, near_ps: int) -> dict[str, NDArray[Any]]:
    """Of events `rows`, in the order of lanes and within them of time: neighbours that are alike and near are one."""
    begin, end = run.timeline.start_ps[rows], run.timeline.end_ps[rows]
    purposes, layers = run.tags["purpose"][rows], run.tags["layer"][rows]
    differs = (lane[1:] != lane[:-1]) | (purposes[1:] != purposes[:-1]) | (begin[1:] - end[:-1] > near_ps)
    first = np.flatnonzero(np.append(True, differs))
    last = np.append(first[1:], len(rows)) - 1
    return {
        "lane": lane[first],
        "purpose": purposes[first],
        "begin": begin[first],
        "end": end[last],
        "count": last - first + 1,
        "busy": np.add.reduceat(end - begin, first),
        "from": np.minimum.reduceat(layers, first),
        "to": np.maximum.reduceat(layers, first),
    }


def _tip(bars: dict[str, NDArray[Any]], bar: int, lanes: list[str]) -> dict[str, Any]:
    layers = sorted({int(bars["from"][bar]), int(bars["to"][bar])})
    told: dict[str, Any] = {
        "lane": lanes[bars["lane"][bar]],
        "purpose": purpose(PURPOSES[bars["purpose"][bar]]),
        "works": format_quantity(int(bars["busy"][bar]), "ps"),
        "events": int(bars["count"][bar]),
    }
    return told | ({"layers": " to ".join(map(str, layers))} if layers[0] >= 0 else {})


def _spec(values: list[dict[str, Any]], lanes: list[str], axis: str) -> dict[str, Any]:
    fills = _fills(value["purpose"] for value in values)
    return {
        "height": max(16 * len(lanes), 48),
        "data": {"values": values},
        "mark": {"type": "bar", "height": {"band": 0.86}},
        "encoding": {
            "y": {"field": "lane", "type": "nominal", "sort": lanes, "title": None, "axis": {"ticks": False}},
            "x": {"field": "begin", "type": "quantitative", "title": axis, "scale": {"nice": False, "domainMin": 0}},
            "x2": {"field": "end"},
            "color": {
                "field": "purpose",
                "type": "nominal",
                "scale": {"domain": list(fills), "range": list(fills.values())},
                "legend": {"title": None, "columns": 3},
            },
            "tooltip": {"field": "tip"},
        },
    }


def _fills(names: Iterable[str]) -> dict[str, str]:
    """Of the purposes that are there. The first of each colour has no hatch: short bars do not show it, and a browser
    takes long to print it."""
    known, there = styles(PURPOSES), set(names)
    return {
        purpose(name): palette.line(known[name]) if place < len(COLOURS) else palette.fill(known[name])
        for place, name in enumerate(FIXED[0])
        if purpose(name) in there
    }


def _lengths(run: ReportedRun, seconds: NDArray[np.float64], chosen: int) -> Chart:
    """Of every decode step, or of groups of neighbours: the mean, the least, the most."""
    factor, unit = shown(seconds.tolist(), "s")
    group = -(-len(seconds) // _MOST_STEPS)
    values = [
        {"step": first + 1, "mean": each.mean(), "least": each.min(), "most": each.max()}
        for first in range(0, len(seconds), group)
        for each in [seconds[first : first + group] / factor]
    ]
    values = [{name: round(float(each), 6) for name, each in value.items()} for value in values]
    x = {"field": "step", "type": "quantitative", "title": "decode step", "scale": {"nice": False}}
    y = {"type": "quantitative", "title": f"time ({unit})", "scale": {"zero": True}}
    spec = {
        "height": 110,
        "layer": [
            {"data": {"values": values}, "mark": {"type": "area", "color": "var(--series-6)", "opacity": 0.5},
             "encoding": {"x": x, "y": {**y, "field": "least"}, "y2": {"field": "most"}}},
            {"data": {"values": values}, "mark": {"type": "line", "color": "var(--series-0)", "strokeWidth": 1.5},
             "encoding": {"x": x, "y": {**y, "field": "mean"}}},
            {"data": {"values": [{"step": chosen}]}, "mark": {"type": "rule", "strokeDash": [4, 3]},
             "encoding": {"x": x}},
        ],
    }  # fmt: skip
    note = "The dashed line is the step above."
    if group > 1:
        note += f" Each point is {group} steps: their mean, and from the least to the most."
    says = f"Time of each of {len(seconds)} decode steps of {run.name}."
    return Chart("Time of every decode step", spec, says, note)
