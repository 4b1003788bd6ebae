"""What the routing was like, as the experts that ran show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.sim.kept.experts import expert_table
from moe_cosim.sim.report.parts import Chart, Part, Sentence, TextTable
from moe_cosim.sim.report.reported import ReportedRun
from moe_cosim.workloads.programs.program import PURPOSES
from moe_cosim.workloads.routing.statistics import top_share, zipf_exponent

TITLE: Final = "Routing"
READS: Final = (
    "Counted from the experts that ran: of runs that decode, in decode. The curve says which share of the tokens the "
    "hottest experts of a layer take together, as a mean over layers; if all were alike it would be the dashed line."
)


@dataclass(frozen=True)
class RanRouting:
    """Means over layers, and over steps where they differ by step."""

    distinct: float
    """Experts of a layer in a step."""
    tokens: float
    """Of one of them."""
    most_over_mean: float
    """Tokens of the busiest expert of a layer in a step over the mean of those that ran."""
    kept: float | None
    """Share of the experts of a layer that ran in the step before too; None of a single step."""
    zipf: float
    top_quarter: float
    curve: NDArray[np.float64]
    """[experts + 1] share of the tokens of the hottest 0, 1, ... experts of a layer."""


def parts(run: ReportedRun) -> list[Part]:
    """A table of figures and charts of loads; a sentence where no expert ran."""
    if not (run.tags["expert"] >= 0).any():
        return [Sentence("No expert ran.")]
    found = ran_routing(run)
    rows = [
        ["Experts of a layer in a step", f"{found.distinct:.1f} of {len(found.curve) - 1}"],
        ["Tokens of one of them", f"{found.tokens:.3g}"],
        ["Busiest over mean", f"{found.most_over_mean:.3g}"],
        ["Experts that ran in the step before too", "–" if found.kept is None else f"{found.kept:.0%}"],
        ["Tokens on the hottest quarter of a layer's experts", f"{found.top_quarter:.0%}"],
        ["Zipf exponent of the counts", f"{found.zipf:.3g}"],
    ]
    skipped = run.result.experts.skipped
    if skipped:
        rows.append(["Experts that the policy skipped, which are in none of these", f"{skipped:,}"])
    return [_curve(run, found), TextTable("", ["Figure", "#Value"], rows)]


def ran_routing(run: ReportedRun) -> RanRouting:
    """Of decode steps where there are some, else of the prefill. Counts are those of experts that ran."""
    ran = run.works & (run.tags["expert"] >= 0) & (run.tags["purpose"] == PURPOSES.index("expert"))
    phase = "decode" if run.result.decode_steps else None
    if phase is not None:
        ran &= run.tags["step"] > 0
    tags = run.tags[np.flatnonzero(ran)]
    pooled = np.nan_to_num(expert_table(run.kept, "tokens", phase))
    pooled = pooled[pooled.any(axis=1)]
    layers, experts = int(tags["layer"].max(initial=0)) + 1, pooled.shape[1]
    place = (tags["step"].astype(np.int64) * layers + tags["layer"]) * experts + tags["expert"]
    places, first = np.unique(place, return_index=True)
    tokens = tags["tokens"][first].astype(np.float64)
    begins = np.flatnonzero(np.append(True, np.diff(places // experts) > 0))
    number = np.diff(np.append(begins, len(places)))
    means = np.add.reduceat(tokens, begins) / number
    before = np.isin(places - layers * experts, places)
    has_before = places // (layers * experts) > places[0] // (layers * experts)
    sorted_counts = -np.sort(-pooled, axis=1)
    shares = np.cumsum(sorted_counts, axis=1) / pooled.sum(axis=1, keepdims=True)
    return RanRouting(
        distinct=float(number.mean()),
        tokens=float(tokens.mean()),
        most_over_mean=float((np.maximum.reduceat(tokens, begins) / means).mean()),
        kept=float(before[has_before].mean()) if has_before.any() else None,
        zipf=float(np.mean([zipf_exponent(row) for row in pooled])),
        top_quarter=float(np.mean([top_share(row) for row in pooled])),
        curve=np.append(0.0, shares.mean(axis=0)),
    )


def _curve(run: ReportedRun, found: RanRouting) -> Chart:
    experts = len(found.curve) - 1
    values = [
        {"x": round(100 * place / experts, 3), "y": round(100 * float(share), 3)}
        for place, share in enumerate(found.curve)
    ]
    x = {
        "field": "x",
        "type": "quantitative",
        "title": "hottest experts (% of a layer's)",
        "scale": {"domain": [0, 100]},
    }
    y = {"field": "y", "type": "quantitative", "title": "tokens (%)", "scale": {"domain": [0, 100]}}
    even = {
        "data": {"values": [{"x": 0, "y": 0}, {"x": 100, "y": 100}]},
        "mark": {"type": "line", "strokeDash": [4, 3]},
    }
    even |= {"encoding": {"x": x, "y": y, "color": {"value": "var(--soft)"}}}
    line = {
        "data": {"values": values},
        "mark": {"type": "line", "color": "var(--series-0)", "point": {"color": "var(--series-0)", "size": 20}},
        "encoding": {"x": x, "y": y},
    }
    quarter = f"the hottest quarter takes {found.top_quarter:.0%}"
    says = f"Share of the tokens that the hottest experts of a layer take in {run.name}: {quarter}."
    return Chart("How uneven the load is", {"height": 200, "layer": [even, line]}, says)
