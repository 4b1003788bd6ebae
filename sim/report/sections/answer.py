"""The first lines: what came out, what bounds it, how much of it is software."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from moe_cosim.quantity import format_quantity
from moe_cosim.sim.display.labels import Label, field_label
from moe_cosim.sim.display.names import component, system
from moe_cosim.sim.report.parts import Card, Headline, Panel, Part, Section, Sentence, TextTable
from moe_cosim.sim.report.reported import ReportedRun
from moe_cosim.sim.report.write_number import number
from moe_cosim.sim.results.first_lines import answer, bound, not_varied
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.rows import EnergySummary
from moe_cosim.sim.sensitivity.metrics import METRICS

_RESULT: Final = ("decode_tokens_per_s", "time_to_first_token_s", "end_to_end_s", "end_to_end_tokens_per_s")
_ENERGY: Final = ("decode_joules_per_token", "decode_mean_w", "joules", "energy_delay_js")
UNKNOWN: Final = "unknown"


def section(runs: Sequence[ReportedRun]) -> Section:
    """A card for each run; of several, all figures beside each other too."""
    panels = [Panel("", _parts(run)) for run in runs]
    if len(runs) > 1:
        panels.append(Panel("", [_beside(runs)], is_wide=True))
    return Section(
        "result",
        "Result",
        "What the run came to, what its length is made of most, which assumption moves it most, and how much of it is "
        "software. Shares are those of the critical path: the events that make the run as long as it is.",
        panels,
    )


def _parts(run: ReportedRun) -> list[Part]:
    result = run.result
    lines = [
        ("Answer", answer(result)),
        ("Bound by", bound(result)),
        ("Moved most by", _moved_by(run)),
        ("Ran", run.title),
        ("Routing", result.routing),
        ("Software", f"{result.software or UNKNOWN}, {result.software_share:.0%} of the time"),
        ("Engine", f"{system(result.engine)}, seed {result.seed}, moe-cosim {result.version}"),
    ]
    figures = [Headline(label.name, _value(label, value)) for label, value in figures_of(result)[:2]]
    figures += [Headline(label.name, _value(label, value)) for label, value in figures_of(result)[len(_RESULT) :][:2]]
    warnings: list[Part] = []
    if result.energy is None:
        warnings.append(Sentence("Energy is unknown: this run was made by a version that did not count it.", True))
    elif result.energy.unknown:
        named = ", ".join(component(name) for name in result.energy.unknown)
        warnings.append(Sentence(f"Energy unknown, and in no sum: {named}.", True))
    if result.extrapolation is not None:
        window = result.extrapolation
        warnings.append(Sentence(f"Extrapolated from {window.window}: {window.method} ({window.ratio:.4f}).", True))
    return [Card(run.name, lines, figures), *warnings]


def _moved_by(run: ReportedRun) -> str:
    """The assumption of the largest swing, where they were varied."""
    sensitivity = run.sensitivity
    found = [] if sensitivity is None else sensitivity.swings(sensitivity.metrics[0])
    if not found:
        return not_varied(run.result)
    most = found[0]
    unit = METRICS[most.metric].label.unit
    return f"{most.assumption} ({most.lowest:.4g} to {most.highest:.4g} {unit}, over its range)".replace(" ,", ",")


def figures_of(result: Result) -> list[tuple[Label, float | None]]:
    """What most people ask for; None: unknown."""
    found = [(field_label(Result, name), getattr(result, name)) for name in _RESULT]
    return found + [(field_label(EnergySummary, name), getattr(result.energy, name, None)) for name in _ENERGY]


def _beside(runs: Sequence[ReportedRun]) -> TextTable:
    """How many times as much as the first run has stands with each."""
    columns = [figures_of(run.result) for run in runs]
    rows = []
    for row in zip(*columns, strict=True):
        first = row[0][1]
        cells = [
            _value(label, value) + (_times(value, first) if place else "") for place, (label, value) in enumerate(row)
        ]
        rows.append([row[0][0].name, *cells])
    rows.append(["Share of software", *(f"{run.result.software_share:.1%}" for run in runs)])
    return TextTable("All figures", ["Figure", *(f"#{run.name}" for run in runs)], rows)


def _times(value: float | None, first: float | None) -> str:
    return f" (× {value / first:.3g})" if value is not None and first else ""


def _value(label: Label, value: float | None) -> str:
    if value is None:
        return UNKNOWN
    if label.unit == "s":
        return format_quantity(value * 1e12, "ps")
    return number(value, label.unit)
