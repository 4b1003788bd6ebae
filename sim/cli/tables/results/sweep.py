"""What ``moe-cosim sweep`` and ``collect`` show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from moe_cosim.escape import printable
from moe_cosim.sim.cli.progress import duration
from moe_cosim.sim.cli.table import Column, Note, Report, Table
from moe_cosim.sim.sweep.plan.fields import fields

if TYPE_CHECKING:  # `status` is to be quick, and needs none of it
    from moe_cosim.sim.sweep.plan.plan import SweepPlan
    from moe_cosim.sim.sweep.pool.estimate import Estimate
    from moe_cosim.sim.sweep.pool.local import SweepOutcome
    from moe_cosim.sim.sweep.query.search import Found
    from moe_cosim.sim.sweep.store.collect import Collected

_POINTS_SHOWN: Final = 5
_FAILURES_SHOWN: Final = 20


def plan_report(plan: SweepPlan, estimate: Estimate | None, workers: int, all_points: bool) -> Report:
    """Counts, time, and the first points (all of them where `all_points` says so)."""
    counts = (
        f"{len(plan.points):,} points, {plan.duplicates:,} duplicates left out, {plan.removed:,} removed by filters"
    )
    notes = [Note(counts, plan.name)]
    if estimate is not None:
        notes.append(
            Note(
                f"about {duration(estimate.seconds)} for {estimate.missing:,} missing points on {workers} workers "
                f"({estimate.per_point_s:.3g} s a point: {estimate.basis})"
            )
        )
        notes += [Note(line, "would fail") for line in estimate.refused]
    points = plan.points if all_points else plan.points[:_POINTS_SHOWN]
    varied = [*(("variant",) if any(point.variant for point in plan.points) else ()), *plan.axes]
    columns = (
        Column("point", role="key"),
        *(Column(name, heading=name) for name in varied),
    )
    rows = []
    for point in points:
        values = {**fields(plan.experiment(point).model_dump()), **point.settings, "variant": point.variant}
        rows.append((point.id if all_points else point.id[:12], *(_scalar(values.get(name)) for name in varied)))
    return [*notes, Table("points", f"first {len(rows)} points", columns, rows)]


def outcome_report(outcome: SweepOutcome) -> Report:
    """One line: how many points were computed, there already, failed or left."""
    left = outcome.wanted - outcome.done
    counts = (
        f"{outcome.finished:,} points computed, {outcome.skipped:,} were in the store, {len(outcome.failures):,} failed"
    )
    return [Note(f"{counts}{f', {left:,} left' if left else ''}, in {duration(outcome.wall_s)}")]


def say_failures(failures: Mapping[str, str], damaged: Sequence[str] = ()) -> None:
    """On standard error, a line each."""
    for point_id in damaged:
        click.echo(f"damaged, computed again: {printable(point_id)}", err=True)
    for point_id, line in list(failures.items())[:_FAILURES_SHOWN]:
        click.echo(f"failed: {point_id[:12]}: {printable(line)}", err=True)
    if len(failures) > _FAILURES_SHOWN:
        more = len(failures) - _FAILURES_SHOWN
        click.echo(f"… and {more} more: SELECT point_id, error FROM results", err=True)


def found_report(found: Found) -> Report:
    """What a search came to: its best trial, or the Pareto front."""
    counts = f"{len(found.trials):,} trials, {found.computed:,} points computed, {found.reused:,} were in the store"
    axes = list(dict.fromkeys(axis for trial in found.best for axis in trial.settings))
    goals = [goal.metric for goal in found.goals]
    columns = (
        Column("trial", role="key"),
        *(() if not any(trial.variant for trial in found.best) else (Column("variant"),)),
        *(Column(name, heading=name) for name in (*axes, *goals)),
    )
    rows = []
    for trial in found.best:
        variant = (trial.variant,) if any(each.variant for each in found.best) else ()
        settings = (_scalar(trial.settings.get(axis)) for axis in axes)
        rows.append((trial.number, *variant, *settings, *(trial.values or [])))
    title = "best" if len(goals) == 1 else "Pareto front"
    return [Note(counts, found.name), Table("best", title, columns, rows)]


def status_report(found: Mapping[str, Any]) -> Report:
    """`found`: what `sim.sweep.query.status` says, and under ``jobs`` what the schedulers do."""
    columns = (
        Column("name", "sweep", role="key"),
        Column("plan", priority=1),
        Column("points"),
        Column("finished"),
        Column("failed"),
        Column("missing"),
        Column("changed", "changed since planned", priority=2),
    )
    plans = [{**plan, "changed": ", ".join(plan["changed"])} for plan in found["plans"]]
    rows = [[plan[column.name] for column in columns] for plan in plans]
    shown = [[name, plan_id[:12], *others] for name, plan_id, *others in rows]
    view = Table("sweeps", "", columns, shown)
    jobs = (found.get("jobs") or {}).get("summary", [])
    return [
        Table("sweeps", "", columns, rows, view=view),
        Note(f"{found['finished']:,} points finished in all, {found['failed']:,} failed"),
        *(Note(f"damaged: {name}; its points count as missing") for name in found["damaged_parts"]),
        *(Note(line) for line in jobs),
    ]


def collected_report(found: Collected) -> Report:
    """One line: how many points are in how many parts."""
    return [Note(f"{found.points:,} points in {found.parts} parts; {found.compacted:,} compacted now")]


def _scalar(value: Any) -> Any:
    """A list or mapping as text, so that a cell is one value."""
    return value if value is None or isinstance(value, str | int | float) else str(value)
