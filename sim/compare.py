"""Why two runs differ: where the time went, what moved, who idled, which experts changed unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run


@dataclass(frozen=True)
class RunComparison:
    """Rows of (what, a, b); times are seconds per decode step and MoE layer unless they say otherwise."""

    a: str
    b: str
    headline: list[dict[str, Any]]
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
    """Sentences: which class of experts went from where to where."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(a: str, b: str) -> RunComparison:
    """Two of: the folder of a finished run, an experiment's file or name. Experiments are run."""
    one, two = load(a), load(b)
    return RunComparison(
        _title(one, a),
        _title(two, b),
        _headline(one, two),
        _both(_path(one), _path(two), ("unit", "purpose", "bound")),
        _both(_energy(one), _energy(two), ("component", "cause")),
        _both(_idle(one), _idle(two), ("unit",)),
        _both(_moves(one), _moves(two), ("what",)),
        _both(_classes(one), _classes(two), ("class", "unit")),
        _changed(_classes(one), _classes(two)),
    )


def load(source: str) -> Result:
    """The result in a folder, or of a run; `InputError` for a folder without a finished one."""
    return Result.load(source) if Path(source).is_dir() else run(source, keep=())


def _title(result: Result, source: str) -> str:
    return f"{result.name} ({result.policy})" if result.name != source else f"{source} ({result.policy})"


def _headline(a: Result, b: Result) -> list[dict[str, Any]]:
    names = ("decode_tokens_per_s", "end_to_end_s", "time_to_first_token_s", "decode_s")
    rows = [{"what": name, "a": getattr(a, name), "b": getattr(b, name)} for name in names]
    energies = ("joules_per_token", "decode_joules_per_token", "mean_w", "energy_delay_js")
    if a.energy is not None and b.energy is not None:
        rows += [{"what": name, "a": getattr(a.energy, name), "b": getattr(b.energy, name)} for name in energies]
    return rows


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


def _both(
    a: Mapping[tuple[str, ...], float], b: Mapping[tuple[str, ...], float], names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """One row per key of either, the largest change first; what one does not have is 0."""
    rows = [
        {**dict(zip(names, place, strict=True)), "a": a.get(place, 0.0), "b": b.get(place, 0.0)}
        for place in sorted({*a, *b})
    ]
    return sorted(rows, key=lambda row: -abs(row["b"] - row["a"]))


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
