"""What the sweep commands print."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from moe_cosim.sim.sweep.plan.fields import fields

if TYPE_CHECKING:  # `status` is to be quick, and needs none of it
    from moe_cosim.sim.sweep.plan.estimate import Estimate
    from moe_cosim.sim.sweep.plan.plan import Plan
    from moe_cosim.sim.sweep.pool.local import Outcome, Pace
    from moe_cosim.sim.sweep.query.search import Found

_POINTS_SHOWN: Final = 5
_FAILURES_SHOWN: Final = 20
_LINE_EVERY_S: Final = 30.0
"""Where standard error is no terminal: a line so often, so that a log shows that it goes on."""


def print_plan(plan: Plan, estimate: Estimate | None, workers: int) -> None:
    console = Console()
    console.print(
        f"[bold]{plan.name}[/bold]: {len(plan.points):,} points, {plan.duplicates:,} duplicates left out, "
        f"{plan.removed:,} removed by filters"
    )
    if estimate is not None:
        console.print(
            f"about {duration(estimate.seconds)} for {estimate.missing:,} missing points on {workers} workers "
            f"({estimate.per_point_s:.3g} s a point: {estimate.basis})",
            highlight=False,
        )
        for line in estimate.refused:
            console.print(f"would fail: {line}", highlight=False, markup=False)
    shown = plan.points[:_POINTS_SHOWN]
    table = Table(title=f"first {len(shown)} points", title_justify="left", title_style="bold")
    varied = [*(("variant",) if any(point.variant for point in plan.points) else ()), *plan.axes]
    for name in ("point", *varied):
        table.add_column(name, overflow="fold")
    for point in shown:
        values = {**fields(plan.experiment(point).model_dump()), **point.settings, "variant": point.variant}
        table.add_row(point.id[:12], *(str(values.get(name, "-")) for name in varied))
    console.print(table)


def print_outcome(outcome: Outcome) -> None:
    """One line; damage and failures on standard error."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    for point_id in outcome.damaged:
        errors.print(f"damaged, computed again: {point_id}", markup=False)
    _print_failures(outcome.failures, errors)
    left = outcome.wanted - outcome.done
    Console(highlight=False).print(
        f"{outcome.finished:,} points computed, {outcome.skipped:,} were in the store, {len(outcome.failures):,} failed"
        f"{f', {left:,} left' if left else ''}, in {duration(outcome.wall_s)}"
    )


def _print_failures(failures: dict[str, str], errors: Console) -> None:
    for point_id, line in list(failures.items())[:_FAILURES_SHOWN]:
        errors.print(f"failed: {point_id[:12]}: {line}", markup=False)
    if len(failures) > _FAILURES_SHOWN:
        errors.print(f"… and {len(failures) - _FAILURES_SHOWN} more: SELECT point_id, error FROM results")


def print_found(found: Found) -> None:
    console = Console(highlight=False)
    _print_failures(found.failures, Console(stderr=True, highlight=False, soft_wrap=True))
    console.print(
        f"[bold]{found.name}[/bold]: {len(found.trials):,} trials, {found.computed:,} points computed, "
        f"{found.reused:,} were in the store"
    )
    axes = list(dict.fromkeys(axis for trial in found.best for axis in trial.settings))
    table = Table(title="best" if len(found.goals) == 1 else "Pareto front", title_justify="left", title_style="bold")
    for name in ("trial", "variant", *axes, *(goal.metric for goal in found.goals)):
        table.add_column(name, overflow="fold")
    for trial in found.best:
        values = (f"{value:.6g}" for value in trial.values or [])
        table.add_row(str(trial.number), trial.variant, *(str(trial.settings.get(axis, "-")) for axis in axes), *values)
    console.print(table)


def print_status(found: dict[str, Any]) -> None:
    console = Console(highlight=False)
    table = Table(box=None)
    for name in ("sweep", "plan", "points", "finished", "failed", "missing", ""):
        table.add_column(name, justify="left" if name in ("sweep", "plan", "") else "right", overflow="fold")
    for plan in found["plans"]:
        numbers = (f"{plan[name]:,}" for name in ("points", "finished", "failed", "missing"))
        table.add_row(plan["name"], plan["plan"][:12], *numbers, "" if plan["current"] else "planned by other code")
    console.print(table)
    console.print(f"{found['finished']:,} points finished in all, {found['failed']:,} failed")
    for name in found["damaged_parts"]:
        console.print(f"damaged: {name}; its points count as missing")
    for line in (found.get("jobs") or {}).get("summary", []):
        console.print(line, markup=False)


@contextmanager
def watching(wanted: str) -> Iterator[Callable[[Pace], None]]:
    """A live bar with rate and time left on a terminal; a line now and then in a log."""
    if not sys.stderr.isatty():
        yield _line_now_and_then(wanted)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(wanted, total=None, pace="starting workers")

        def update(pace: Pace) -> None:
            bar.update(task, total=pace.wanted, completed=pace.done, pace=_pace(pace))

        yield update


def duration(seconds: float) -> str:
    """``5.2 s``, ``3 min 20 s``, ``7 h 12 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _line_now_and_then(wanted: str) -> Callable[[Pace], None]:
    last_s = time.monotonic()

    def line(pace: Pace) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _LINE_EVERY_S:
            last_s = time.monotonic()
            sys.stderr.write(f"{wanted}: {pace.done:,} of {pace.wanted:,}; {_pace(pace)}\n")
            sys.stderr.flush()

    return line


def _pace(pace: Pace) -> str:
    failed = f", {pace.failed:,} failed" if pace.failed else ""
    if pace.per_s is None or pace.left_s is None:
        return f"starting{failed}"
    return f"{pace.per_s:.3g} points/s, {duration(pace.left_s)} left{failed}"
