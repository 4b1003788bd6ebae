"""A sweep, resolved: every point once, with its id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment
from moe_cosim.sim.sweep.identity.digest import digest
from moe_cosim.sim.sweep.identity.point import Identities, Identity
from moe_cosim.sim.sweep.plan.condition import Condition
from moe_cosim.sim.sweep.plan.fields import fields
from moe_cosim.sim.sweep.plan.space import Settings, settings_of
from moe_cosim.sim.sweep.plan.sweep_file import bases, beside, find_sweep, read_sweep


@dataclass(frozen=True)
class Point:
    """One configuration of a plan: its variant's base with these settings."""

    id: str
    settings: Settings
    variant: str = ""


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep will compute. Equal sweeps have equal plans, and so equal `plan_id`."""

    name: str
    bases: dict[str, Experiment]
    """By variant; the key is "" where the sweep has no variants."""
    axes: tuple[str, ...]
    points: tuple[Point, ...]
    duplicates: int
    """Points that were the same as an earlier one."""
    removed: int
    """Points that a filter removed."""
    files: dict[str, str]
    """Path and SHA-256 of every file that a point reads."""
    sources: dict[str, str]
    """Digest of every component of code and catalogue that a point uses."""
    identities: dict[str, Identity] = field(default_factory=dict, compare=False, repr=False)
    """Of the points, by id, where this process made the plan; a plan that was kept comes without."""

    @property
    def plan_id(self) -> str:
        """Hash of everything in it."""
        return id_of(self.header(), [[point.id, point.settings, point.variant] for point in self.points])

    def header(self) -> dict[str, Any]:
        """All but the points, as plain data."""
        return {
            "name": self.name,
            "bases": {name: base.model_dump() for name, base in self.bases.items()},
            "axes": list(self.axes),
            "duplicates": self.duplicates,
            "removed": self.removed,
            "files": self.files,
            "sources": self.sources,
        }

    def experiment(self, point: Point) -> Experiment:
        """The point's experiment, named after the point."""
        return self.bases[point.variant].with_settings({**point.settings, "name": f"point-{point.id[:12]}"})


def id_of(header: Mapping[str, Any], points: list[list[Any]]) -> str:
    """The id of the plan with this header and these points, as plain data."""
    return digest([header, points])


def plan_sweep(source: str | Path, settings: Mapping[str, Any] | None = None) -> SweepPlan:
    """Read a sweep (a file, or the name of a shipped one) and resolve its points.

    `settings` replace fields of the base experiment.

    Raises `InputError` for a bad file, an unknown field, an empty axis, a filter that leaves nothing.
    """
    path = find_sweep(source)
    sweep = read_sweep(path)
    folder = path.parent
    starts = bases(sweep, path, settings)
    conditions = [Condition(text, path) for text in sweep.conditions]
    clash = [axis for axis in sweep.axes() if axis in (settings or {})]
    if clash:
        raise InputError("--set", clash[0], Plain("an axis of the sweep"), "a field that the sweep does not vary")
    candidates = (
        (variant, {axis: beside(axis, value, folder) for axis, value in chosen.items()})
        for variant in starts
        for chosen in settings_of(sweep, path)
    )
    plan = build_plan(sweep.name, starts, sweep.axes(), candidates, conditions, path)
    if not plan.points:
        found = Plain(f"filters that remove all {plan.removed} points")
        raise InputError(path, "where", found, "filters that leave at least one point")
    return plan


def build_plan(
    name: str,
    starts: dict[str, Experiment],
    axes: tuple[str, ...],
    candidates: Iterable[tuple[str, Settings]],
    conditions: Iterable[Condition] = (),
    where: object = "sweep",
) -> SweepPlan:
    """A plan of (variant, settings) pairs: filtered, resolved, each point once. It may be empty."""
    chosen = list(candidates)
    resolved = [_resolve(starts[variant], settings, where) for variant, settings in chosen]
    conditions = list(conditions)
    known = fields_of_points(chosen, resolved) if conditions else []
    for condition in conditions:
        condition.resolve({path: None for point in known for path in point})
    points: dict[str, Point] = {}
    found: dict[str, Identity] = {}
    files: dict[str, str] = {}
    sources: dict[str, str] = {}
    identities = Identities()
    removed = 0
    for index, ((variant, settings), experiment) in enumerate(zip(chosen, resolved, strict=True)):
        if not all(condition.holds(known[index]) for condition in conditions):
            removed += 1
            continue
        identity = identities.of(experiment)
        files.update(identity.files)
        sources.update(identity.sources)
        points.setdefault(identity.id, Point(identity.id, settings, variant))
        found[identity.id] = identity
    duplicates = len(chosen) - removed - len(points)
    return SweepPlan(
        name,
        starts,
        axes,
        tuple(points.values()),
        duplicates,
        removed,
        dict(sorted(files.items())),
        dict(sorted(sources.items())),
        found,
    )


def fields_of_points(chosen: Iterable[tuple[str, Settings]], resolved: list[Experiment]) -> list[dict[str, Any]]:
    """What filters see: every field of the experiment, and the variant's name."""
    return [
        {**fields(experiment.model_dump()), "variant": variant}
        for (variant, _), experiment in zip(chosen, resolved, strict=True)
    ]


def _resolve(start: Experiment, settings: Settings, where: object) -> Experiment:
    try:
        return start.with_settings(settings)
    except InputError as error:
        raise error.at(where) from None
