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
from moe_cosim.sim.results.path.critical_path import critical_path
from moe_cosim.workloads.programs.program import PURPOSES

TITLE = "Timeline of a step"
READS = (
    "The first row is what the run waited for; each further one is a lane of a unit: a bar is what it works on, a gap "
    "is waiting. Time runs from the step's first event. `report --step N` draws another step, `moe-cosim trace` all."
)
_FINEST: Final = 1000
"""Bars of one purpose that are less than this part of the step apart are drawn as one."""
_MOST_BARS: Final = 4000
_MOST_STEPS: Final = 400
_PATH: Final = "Critical path"
SPAN: Final = np.dtype(
    [
        ("row", "<i8"),  # of the chart: 0 is the critical path, then the lanes
        ("lane", "<i8"),
        ("purpose", "u1"),
        ("layer", "<i2"),
        ("begin", "<i8"),  # ps
        ("end", "<i8"),
    ]
)


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
    spans = _spans(run, step)
    if not len(spans):
        return Sentence(f"Step {step} has no event that takes time.")
    first_ps, last_ps = int(spans["begin"].min()), int(spans["end"].max())
    bars = _bars(spans, (last_ps - first_ps) // _FINEST)
    drawn = np.sort(np.argsort(bars["begin"] - bars["end"], kind="stable")[:_MOST_BARS])
    factor, unit = shown([(last_ps - first_ps) * 1e-12], "s")
    scale = 1e-12 / factor
    lanes = [f"{component(unit)}, {name}" if name != "main" else component(unit) for unit, name in run.machine.lanes]
    rows = [_PATH, *lanes]
    used = [rows[index] for index in np.unique(spans["row"])]
    values = [
        {
            "lane": rows[bars["row"][bar]],
            "begin": round((bars["begin"][bar] - first_ps) * scale, 6),
            "end": round((bars["end"][bar] - first_ps) * scale, 6),
            "purpose": purpose(PURPOSES[bars["purpose"][bar]]),
            "tip": _tip(bars, bar, lanes),
        }
        for bar in drawn.tolist()
    ]
    note = f"{int((spans['row'] > 0).sum()):,} events as {int((bars['row'][drawn] > 0).sum()):,} bars"
    if len(drawn) < len(bars["begin"]):
        share = 1 - (bars["busy"][drawn].sum() / bars["busy"].sum())
        note += f"; {len(bars['begin']) - len(drawn):,} shorter ones, {share:.2%} of the work, are not drawn"
    title = f"{'Prefill' if step == 0 else f'Decode step {step}'}, {format_quantity(last_ps - first_ps, 'ps')}"
    says = f"{title} of {run.name}: which of {len(used) - 1} lanes worked when, on what, and what the run waited for."
    return Chart(title, _spec(values, used, f"time ({unit})"), says, f"{note}.")


def _spans(run: ReportedRun, step: int) -> NDArray[np.void]:
    """SPAN records of the step: its part of the critical path, then its events, lane after lane, in the order of
    time."""
    timeline, program = run.timeline, run.timeline.program
    segments = critical_path(run.machine, program, timeline).segments
    end_ps = np.cumsum(segments["time_ps"])
    on_path = np.flatnonzero((run.tags["step"][segments["event"]] == step) & (segments["time_ps"] > 0))
    rows = np.flatnonzero(run.works & (run.tags["step"] == step) & (timeline.end_ps > timeline.start_ps))
    event = np.concatenate([segments["event"][on_path], rows])
    found = np.zeros(len(event), SPAN)
    found["lane"] = program.events["lane"][event]
    found["row"][len(on_path) :] = found["lane"][len(on_path) :] + 1
    found["begin"] = np.concatenate([(end_ps - segments["time_ps"])[on_path], timeline.start_ps[rows]])
    found["end"] = np.concatenate([end_ps[on_path], timeline.end_ps[rows]])
    found["purpose"], found["layer"] = run.tags["purpose"][event], run.tags["layer"][event]
    return found


def _bars(spans: NDArray[np.void], near_ps: int) -> dict[str, NDArray[Any]]:
    """Neighbours that are alike and near are one."""
    before, after = spans[:-1], spans[1:]
    differs = (after["begin"] - before["end"] > near_ps) | (before["row"] != after["row"])
    differs |= (before["lane"] != after["lane"]) | (before["purpose"] != after["purpose"])
    first = np.flatnonzero(np.append(True, differs))
    last = np.append(first[1:], len(spans)) - 1
    return {
        **{name: spans[name][first] for name in ("row", "lane", "purpose", "begin")},
        "end": spans["end"][last],
        "count": last - first + 1,
        "busy": np.add.reduceat(spans["end"] - spans["begin"], first),
        "from": np.minimum.reduceat(spans["layer"], first),
        "to": np.maximum.reduceat(spans["layer"], first),
    }


def _tip(bars: dict[str, NDArray[Any]], bar: int, lanes: list[str]) -> dict[str, Any]:
    layers = sorted({int(bars["from"][bar]), int(bars["to"][bar])})
    told: dict[str, Any] = {
        "lane": lanes[bars["lane"][bar]],
        "purpose": purpose(PURPOSES[bars["purpose"][bar]]),
        "takes": format_quantity(int(bars["busy"][bar]), "ps"),
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
