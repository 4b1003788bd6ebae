"""Why two runs differ: where the time went, what moved, who idled, which experts changed unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from string import ascii_lowercase
from typing import Any

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.compare.compared_run import ComparedRun
from moe_cosim.sim.compare.speedups import baselines, figures_of, geometric_means, speedups
from moe_cosim.sim.results.result import Result


@dataclass(frozen=True)
class RunComparison:
    """Rows of (what, a, b, …), a number for each run by its letter; times are seconds per decode step and MoE layer
    unless they say otherwise."""

    runs: dict[str, str]
    """What each is, by letter."""
    baselines: dict[str, str]
    """The letter of what it is measured against."""
    unlike: list[str]
    """Sentences: which runs were asked other work than their baseline."""
    headline: list[dict[str, Any]]
    speedups: list[dict[str, Any]]
    """How many times better than the baseline, for times and energies too."""
    geomeans: list[dict[str, Any]]
    """The same over all runs of a system."""
    critical_path: list[dict[str, Any]]
    """Decode: by kind of unit, purpose and bound; the parts of a run sum to its decode time."""
    energy: list[dict[str, Any]]
    """Joules per generated token, by component and cause; none where a result is of an older version."""
    units: list[dict[str, Any]]
    """Idle share in decode, by kind of unit (mean over its units)."""
    moves: list[dict[str, Any]]
    experts: list[dict[str, Any]]
    """Experts run per layer by class and kind of unit."""
    changed: list[str]
    """Sentences: which class of experts went from where to where, against the baseline."""

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)


def compare(*sources: str, baseline: str | None = None) -> RunComparison:
    """Each of `sources` is the folder of a finished run, or an experiment's file or name, which is run.

    Ratios are to the first run, or to those that `baseline` names (`baselines`). Raises `InputError` for fewer than two
    runs and more than there are letters.
    """
    if not 2 <= len(sources) <= len(ascii_lowercase):
        raise InputError("compare", "RUN", Plain(f"{len(sources)} runs"), f"2 to {len(ascii_lowercase)} runs")
    runs = [ComparedRun.load(letter, source) for letter, source in zip(ascii_lowercase, sources, strict=False)]
    against = baselines(runs, baseline)
    return RunComparison(
        {run.letter: run.title for run in runs},
        {letter: base.letter for letter, base in against.items()},
        [_unlike(run, against[run.letter]) for run in runs if run.load_asked != against[run.letter].load_asked],
        _headline(runs),
        speedups(runs, against),
        geometric_means(runs, against),
        _beside(runs, _path, ("unit", "purpose", "bound")),
        _beside(runs, _energy, ("component", "cause")),
        _beside(runs, _idle, ("unit",)),
        _beside(runs, _moves, ("what",)),
        _beside(runs, _classes, ("class", "unit")),
        [sentence for run in runs for sentence in _against(run, against[run.letter], len(runs))],
    )


def _headline(runs: list[ComparedRun]) -> list[dict[str, Any]]:
    found = {run.letter: figures_of(run) for run in runs}
    every = [name for name in found["a"] if all(name in figures for figures in found.values())]
    return [{"what": name, **{letter: figures[name] for letter, figures in found.items()}} for name in every]


def _kinds(result: Result) -> dict[str, str]:
    return {row.name: row.kind for row in result.units}


def _path(result: Result) -> dict[tuple[str, ...], float]:
    """Seconds of decode per step, all units of a kind together."""
    kinds = _kinds(result)
    found: dict[tuple[str, ...], float] = {}
    for row in result.critical_path:
        if row.phase == "decode":
            place = (kinds.get(row.unit, row.unit), row.purpose, row.bound)
            found[place] = found.get(place, 0.0) + row.seconds / max(result.decode_steps, 1)
    return found


def _energy(result: Result) -> dict[tuple[str, ...], float]:
    """Joules per generated token."""
    if result.energy is None or not result.energy.joules:
        return {}
    tokens = result.energy.joules / result.energy.joules_per_token
    found: dict[tuple[str, ...], float] = {}
    for row in result.energy_components:
        place = (row.component, row.cause)
        found[place] = found.get(place, 0.0) + row.joules / tokens
    return found


def _idle(result: Result) -> dict[tuple[str, ...], float]:
    shares: dict[str, list[float]] = {}
    for row in result.units:
        shares.setdefault(row.kind, []).append(1 - row.decode_utilization)
    return {(kind,): sum(rows) / len(rows) for kind, rows in shares.items()}


def _moves(result: Result) -> dict[tuple[str, ...], float]:
    """Bytes per decode step."""
    steps = max(result.decode_steps, 1)
    found: dict[tuple[str, ...], float] = {
        (f"experts {kind}",): row.bytes / steps for kind, row in result.expert_moves.items()
    }
    for kind, row in result.traffic.items():
        crossed = row.link_bytes if row.crossed_bytes is None else row.crossed_bytes
        found[(f"{kind} over links, whole run",)] = float(crossed)
    return found


def _classes(result: Result) -> dict[tuple[str, ...], float]:
    return {(row.class_, row.unit): row.runs_per_layer for row in result.expert_classes}


def _beside(
    runs: list[ComparedRun], of: Callable[[Result], Mapping[tuple[str, ...], float]], names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """One row per key of any run, the largest difference first; what one does not have is 0."""
    found = {run.letter: of(run.result) for run in runs}
    rows = [
        {**dict(zip(names, place, strict=True)), **{letter: one.get(place, 0.0) for letter, one in found.items()}}
        for place in sorted({place for one in found.values() for place in one})
    ]
    return sorted(rows, key=lambda row: min(row[letter] for letter in found) - max(row[letter] for letter in found))


def _unlike(run: ComparedRun, base: ComparedRun) -> str:
    one, other = run.letter.upper(), base.letter.upper()
    return f"{one} ran another model or workload than {other}: rates per token compare, times and energies do not"


def _against(run: ComparedRun, base: ComparedRun, runs: int) -> list[str]:
    """What changed from the baseline; of more than two runs it is said of which."""
    sentences = _changed(_classes(base.result), _classes(run.result))
    return sentences if runs == 2 else [f"{run.letter.upper()}: {sentence}" for sentence in sentences]


def _changed(a: Mapping[tuple[str, ...], float], b: Mapping[tuple[str, ...], float]) -> list[str]:
    """Per class: the units that lost experts, and those that gained them."""
    sentences = []
    for name in dict.fromkeys(place[0] for place in [*a, *b]):
        change = {unit: b.get((name, unit), 0.0) - a.get((name, unit), 0.0) for kind, unit in {*a, *b} if kind == name}
        lost = {unit: -value for unit, value in sorted(change.items()) if value <= -0.05}
        gained = {unit: value for unit, value in sorted(change.items()) if value >= 0.05}
        if lost or gained:
            sentences.append(f"{name} experts per layer: {_say(lost, 'fewer')}; {_say(gained, 'more')}")
    return sentences


def _say(change: Mapping[str, float], word: str) -> str:
    return ", ".join(f"{value:.1f} {word} on {unit}" for unit, value in change.items()) or f"none {word} elsewhere"
