"""What happened to every expert of every layer: maps of layers by experts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.sim.display.names import words
from moe_cosim.sim.display.styles import SEQUENTIAL, styles
from moe_cosim.sim.kept.experts import expert_table
from moe_cosim.sim.report import palette
from moe_cosim.sim.report.parts import Chart, Part, Sentence
from moe_cosim.sim.report.reported import ReportedRun
from moe_cosim.workloads.programs.program import PURPOSES

TITLE: Final = "Experts"
READS: Final = (
    "A row is a layer, a column an expert; what is left blank did not run. Of runs that decode, decode alone is "
    "counted. Maps that are folded are drawn when they are opened."
)
_ALL_OPEN: Final = 2500
"""Cells up to which all maps are drawn at once."""
_BLANK: Final = -1
"""Of what did not run."""
_MAPS: Final = (
    ("tokens", "Tokens that it computed", "tokens"),
    ("bits", "Width in which it ran, on average", "bits"),
    ("moves", "Copies of its weights, prefill included", "copies"),
)


def parts(run: ReportedRun) -> list[Part]:
    """Maps of tokens, units and what `_MAPS` names, of decode where there is one."""
    if not (run.tags["expert"] >= 0).any():
        return [Sentence("No expert ran.")]
    phase = "decode" if run.result.decode_steps else None
    tables = {name: expert_table(run.kept, name, None if name == "moves" else phase) for name, _, _ in _MAPS}
    units = _units(run, tables["tokens"].shape)
    is_small = units.size <= _ALL_OPEN
    maps = [
        _numbers(run, tables[name], title, unit, folded=not is_small and name != "tokens")
        for name, title, unit in _MAPS
    ]
    return [maps[0], _kinds(run, units, folded=not is_small), *maps[1:]]


def _units(run: ReportedRun, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """[layers, experts] index into the kinds of units of that which ran it most often; -1 where none did."""
    kinds = _kind_names(run)
    kind = np.array([kinds.index(run.machine.units[unit].kind) for unit, _ in run.timeline.program.lanes])
    ran = run.works & (run.tags["expert"] >= 0) & (run.tags["purpose"] == PURPOSES.index("expert"))
    if run.result.decode_steps:
        ran &= run.tags["step"] > 0
    rows = np.flatnonzero(ran)
    layers, experts = shape
    place = run.tags["layer"][rows].astype(np.int64) * experts + run.tags["expert"][rows]
    lane = run.timeline.program.events["lane"][rows]
    flat = np.bincount(place * len(kinds) + kind[lane], minlength=layers * experts * len(kinds))
    count = flat.reshape(layers, experts, len(kinds))
    return np.where(count.any(axis=2), count.argmax(axis=2), -1)


def _kind_names(run: ReportedRun) -> list[str]:
    return list(dict.fromkeys(unit.kind for unit in run.machine.units.values()))


def _numbers(run: ReportedRun, table: NDArray[np.float64], title: str, unit: str, folded: bool) -> Part:
    """A sentence where there is nothing to tell apart."""
    least, most = float(np.nanmin(table)), float(np.nanmax(table))
    if least == most:
        return Sentence(f"{title}: {least:g} {unit} everywhere.")
    values = [_BLANK if np.isnan(value) else float(f"{value:.4g}") for value in table.flat]
    colour = {
        "field": "data",
        "type": "quantitative",
        "scale": {"scheme": {"name": SEQUENTIAL, "extent": [0.18, 1]}},  # in the dark its darkest would look blank
        "legend": {"title": unit, "gradientLength": 200, "direction": "horizontal", "titleOrient": "left"},
    }
    spec = _spec(values, table.shape, colour, f"format(datum.data, ',.4~g') + ' {unit}'")
    return Chart(
        title,
        spec,
        f"{title}, of every expert in every layer of {run.name}: {least:.3g} to {most:.3g} {unit}.",
        folded=folded,
    )


def _kinds(run: ReportedRun, units: NDArray[np.int64], folded: bool) -> Chart:
    kinds = _kind_names(run)
    named = {words(name): palette.line(style) for name, style in styles(kinds).items()}
    texts = [words(name) for name in kinds]
    there = [text for index, text in enumerate(texts) if (units == index).any()]
    colour = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": there, "range": [named[text] for text in there]},
        "legend": {"title": None},
    }
    more = [{"calculate": f"{texts!r}[datum.data]", "as": "kind"}]
    shares = ", ".join(
        f"{text} {(units == texts.index(text)).sum() / max((units >= 0).sum(), 1):.0%}" for text in there
    )
    title = "Unit that ran it most often"
    spec = _spec(units.ravel().tolist(), units.shape, colour, "datum.kind", more)
    return Chart(title, spec, f"{title}, of every expert in every layer of {run.name}: {shares}.", folded=folded)


def _spec(
    values: Sequence[float],
    shape: tuple[int, ...],
    colour: dict[str, Any],
    tip: str,
    more: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """`values` row by row, which the chart counts through itself: a name for each would be most of the file."""
    layers, experts = shape
    return {
        "height": max(6 * layers, 40),
        "data": {"values": list(values)},
        "transform": [
            {"window": [{"op": "row_number", "as": "row"}]},
            {"calculate": f"floor((datum.row - 1) / {experts})", "as": "layer"},
            {"calculate": f"(datum.row - 1) % {experts}", "as": "expert"},
            {"filter": f"datum.data > {_BLANK}"},
            *more,
            {"calculate": f"'layer ' + datum.layer + ', expert ' + datum.expert + ': ' + {tip}", "as": "tip"},
        ],
        "view": {"fill": "var(--blank)"},
        "mark": {"type": "rect", "aria": False},
        "encoding": {
            "x": {"field": "expert", "type": "ordinal", "title": "expert", **_places(experts, 16)},
            "y": {
                "field": "layer",
                "type": "ordinal",
                "title": "layer",
                **_places(layers, 4 if layers < 32 else 10),
            },
            "color": colour,
            "tooltip": {"field": "tip", "type": "nominal"},
        },
    }


def _places(count: int, every: int) -> dict[str, Any]:
    """All, of which some have a label."""
    labelled = list(range(0, count, every if count > every else 1))
    axis = {"values": labelled, "labelAngle": 0, "ticks": False}
    return {"axis": axis, "scale": {"domain": list(range(count)), "padding": 0}}
