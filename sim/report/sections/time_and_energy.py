"""Where time and energy went, stacked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from moe_cosim.sim.display.names import component, purpose
from moe_cosim.sim.report.parts import Chart, Panel, Part, Section, Sentence, TextTable
from moe_cosim.sim.report.reported import ReportedRun
from moe_cosim.sim.report.sections.stack import stack
from moe_cosim.sim.report.write_number import number
from moe_cosim.sim.results.rows import PathRow


def section(runs: Sequence[ReportedRun]) -> Section:
    """A panel of time and one of energy, each with all runs."""
    panels = [Panel("Time", [*_times(runs), *(_path_table(run) for run in runs)]), Panel("Energy", _energies(runs))]
    return Section(
        "time-and-energy",
        "Where time and energy went",
        "Time is the critical path: its parts add up to the run, nothing is counted twice. Energy is that of every "
        "component whose figures are known; `time` is what it takes whatever is done, `static` and `background` are "
        "the same by component.",
        panels,
    )


def _times(runs: Sequence[ReportedRun]) -> list[Chart]:
    found = []
    decoding = [run for run in runs if run.result.decode_steps]
    if decoding:
        found.append(_time("Decode, per step", decoding, "decode", lambda row: row.purpose))
        found.append(_time("Decode, per step, by what bounds it", decoding, "decode", lambda row: row.bound))
    found.append(_time("To the first token", runs, "prefill", lambda row: row.purpose))
    return found


def _time(title: str, runs: Sequence[ReportedRun], phase: str, part_of: Callable[[PathRow], str]) -> Chart:
    amounts: dict[str, dict[str, float]] = {}
    for run in runs:
        steps = run.result.decode_steps if phase == "decode" else 1
        parts = amounts.setdefault(run.name, {})
        for row in run.result.critical_path:
            if row.phase == phase:
                parts[part_of(row)] = parts.get(part_of(row), 0.0) + row.seconds / steps
    says = f"Seconds on the critical path, {title.lower()}: a bar for each run, made of its parts."
    return stack(title, says, amounts, "s", "time", lambda name: purpose(name or "all"))


def _path_table(run: ReportedRun) -> TextTable:
    rows = [
        [component(row.unit), row.phase, purpose(row.purpose), row.bound, number(row.seconds, "s"), f"{row.share:.1%}"]
        for row in run.result.critical_path
    ]
    headings = ["Unit", "Phase", "Purpose", "Bound by", "#Time", "#Share"]
    return TextTable(f"Critical path of {run.name} in full", headings, rows, folded=True)


def _energies(runs: Sequence[ReportedRun]) -> list[Part]:
    known = [run for run in runs if run.result.energy is not None]
    parts: list[Part] = []
    if known:
        parts += [
            _energy(
                "Per token, by component", {run.name: _per_token(run, _by_component(run)) for run in known}, component
            ),
            _energy("Per token, by cause", {run.name: _per_token(run, _by_cause(run)) for run in known}, purpose),
            _energy("Per token, by purpose", {run.name: _per_token(run, _by_purpose(run)) for run in known}, purpose),
            *(_energy_table(run) for run in known),
        ]
    for run in runs:
        if run.result.energy is None:
            parts.append(Sentence(f"The energy of {run.name} is unknown: its version did not count it.", True))
        elif run.result.energy.unknown:
            named = ", ".join(component(name) for name in run.result.energy.unknown)
            parts.append(Sentence(f"Of {run.name} unknown, and in no sum: {named}.", True))
    return parts


def _energy(title: str, amounts: dict[str, dict[str, float]], name_of: Callable[[str], str]) -> Chart:
    says = f"Joules per generated token, {title.lower()}: a bar for each run, made of its parts."
    return stack(title, says, amounts, "J/token", "energy", name_of)


def _per_token(run: ReportedRun, joules: dict[str, float]) -> dict[str, float]:
    assert run.result.energy is not None
    if not run.result.energy.joules:
        return {}
    per_joule = run.result.energy.joules_per_token / run.result.energy.joules
    return {name: amount * per_joule for name, amount in joules.items()}


def _by_component(run: ReportedRun) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in run.result.energy_components:
        found[row.component] = found.get(row.component, 0.0) + row.joules
    return found


def _by_cause(run: ReportedRun) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in run.result.energy_components:
        cause = "operations" if row.cause.startswith("operations") else row.cause
        found[cause] = found.get(cause, 0.0) + row.joules
    return found


def _by_purpose(run: ReportedRun) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in run.result.energy_purposes:
        found[row.purpose] = found.get(row.purpose, 0.0) + row.joules
    return found


def _energy_table(run: ReportedRun) -> TextTable:
    rows = [
        [
            component(row.component),
            purpose(row.cause),
            number(row.joules, "J"),
            number(row.mean_w, "W"),
            f"{row.share:.1%}",
        ]
        for row in run.result.energy_components
    ]
    return TextTable(
        f"Energy of {run.name} in full", ["Component", "Cause", "#Energy", "#Mean", "#Share"], rows, folded=True
    )
