"""How many times better runs are than a baseline, each against that of its own load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.compare.compared_run import ComparedRun
from moe_cosim.sim.display.ratios import geometric_mean, speed_up
from moe_cosim.sim.display.units import unit_of

SPEEDS: Final = ("decode_tokens_per_s", "end_to_end_s", "time_to_first_token_s", "decode_s")
ENERGIES: Final = ("joules_per_token", "decode_joules_per_token", "mean_w", "energy_delay_js")


def figures_of(run: ComparedRun) -> dict[str, float | None]:
    """Headline numbers; energies only where the result has them."""
    found: dict[str, float | None] = {name: getattr(run.result, name) for name in SPEEDS}
    if run.result.energy is not None:
        found |= {name: getattr(run.result.energy, name) for name in ENERGIES}
    return found


def baselines(runs: Sequence[ComparedRun], baseline: str | None) -> dict[str, ComparedRun]:
    """By letter of a run what it is measured against.

    `baseline` names runs by their source, its last part, their experiment or their policy; None: the first run. Of
    several that of the same model and workload counts, and the same seed where there is one. Raises `InputError` for a
    name of no run, and for a run without a baseline among several.
    """
    named = list(runs[:1]) if baseline is None else [run for run in runs if baseline in run.names]
    if not named:
        raise InputError("compare", "--baseline", baseline, {name for run in runs for name in run.names})
    return {run.letter: _of(run, named) for run in runs}


def _of(run: ComparedRun, named: list[ComparedRun]) -> ComparedRun:
    alike = [one for one in named if one.load_asked == run.load_asked]
    if not alike and len(named) > 1:
        found = Plain(f"none of the load of {run.source}")
        raise InputError("compare", "--baseline", found, "a baseline of the same model and workload for each run")
    candidates = alike or named
    return next((one for one in candidates if one.result.seed == run.result.seed), candidates[0])


def speedups(runs: Sequence[ComparedRun], against: dict[str, ComparedRun]) -> list[dict[str, Any]]:
    """A row per figure, a ratio per letter; None where one of the two does not say it."""
    every = dict.fromkeys(name for run in runs for name in figures_of(run))
    return [{"what": name, **{run.letter: _ratio(name, run, against[run.letter]) for run in runs}} for name in every]


def geometric_means(runs: Sequence[ComparedRun], against: dict[str, ComparedRun]) -> list[dict[str, Any]]:
    """A row per system and figure: the mean over its runs, all of which say it."""
    found = []
    for system in dict.fromkeys(run.system for run in runs):
        members = [run for run in runs if run.system == system]
        for name in dict.fromkeys(name for run in members for name in figures_of(run)):
            ratios = [_ratio(name, run, against[run.letter]) for run in members]
            known = [ratio for ratio in ratios if ratio is not None]
            if known and len(known) == len(ratios):
                found.append({"system": system, "what": name, "runs": len(known), "geomean": geometric_mean(known)})
    return found


def _ratio(name: str, run: ComparedRun, base: ComparedRun) -> float | None:
    value, of = figures_of(run).get(name), figures_of(base).get(name)
    return speed_up(value, of, unit_of(name)) if value and of else None
