"""The first lines: what came out, what bounds it, how much of it is software."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from moe_cosim.quantity import format_quantity
from moe_cosim.sim.display.labels import Label, field_label
from moe_cosim.sim.display.names import component, purpose, system
from moe_cosim.sim.report.parts import Card, Headline, Panel, Part, Section, Sentence, TextTable
from moe_cosim.sim.report.reported import ReportedRun
from moe_cosim.sim.report.write_number import number
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.rows import EnergySummary

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
        "What the run came to, what its length is made of most, and how much of that is software. "
        "Shares are those of the critical path: the chain of events without which the run would have been shorter.",
        panels,
    )


def _parts(run: ReportedRun) -> list[Part]:
    result = run.result
    lines = [
        run.title,
        f"Routing: {result.routing}. Engine {system(result.engine)}, seed {result.seed}, moe-cosim {result.version}.",
        _bound(result),
        f"Software ({result.software or UNKNOWN}) is {result.software_share:.0%} of the time.",
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


def _bound(result: Result) -> str:
    """The largest parts of the critical path of decode, or of the run where nothing is decoded."""
    phase = "decode" if result.decode_steps else "prefill"
    rows = [row for row in result.critical_path if row.phase == phase]
    total = sum(row.time_ps for row in rows)
    said = [
        f"{purpose(row.purpose).lower()} on {component(row.unit)} ({row.time_ps / total:.0%}, bound by {row.bound})"
        for row in rows[:2]
    ]
    return f"What {phase} waits for most: {' and '.join(said)}." if said else "It waits for nothing."


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
