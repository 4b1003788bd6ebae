"""``moe-cosim sweep``: plan, run, watch and search. What goes to schedulers: `batch`."""

from __future__ import annotations

import functools
import os
from typing import Any

import click

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.cli.commands import batch
from moe_cosim.sim.cli.commands.options import INTO_STORE, MEMORY, SETTINGS, WORKERS, cores, memory_bytes
from moe_cosim.sim.cli.commands.report import sweep_report
from moe_cosim.sim.cli.commands.store import say_left_out
from moe_cosim.sim.cli.output import Output, output_options

_STOPPED = "moe-cosim: stopped; the same command goes on where this one was"


def _clean_ctrl_c(command: Any) -> Any:
    """Status 130 also where Ctrl-C comes before or after the points are run."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:
            click.echo(_STOPPED, err=True)
            click.get_current_context().exit(130)

    return wrapped


@click.group()
def sweep() -> None:
    """Plan, run and watch sweeps of many experiments."""


@sweep.command()
@click.argument("sweep_file")
@SETTINGS
@click.option("--out", metavar="STORE", help="Store to look in for points that are there already.")
@WORKERS
@click.option("--no-estimate", is_flag=True, help="Do not run shortened points to estimate the time.")
@output_options("points")
def plan(
    sweep_file: str, settings: tuple[str, ...], out: str | None, workers: int | None, no_estimate: bool, output: Output
) -> None:
    """Show the points of SWEEP_FILE, and an estimate of time. Duplicates are left out."""
    from moe_cosim.experiment import parse_settings
    from moe_cosim.sim.cli.tables.results.sweep import plan_report
    from moe_cosim.sim.sweep.plan.plan import plan_sweep
    from moe_cosim.sim.sweep.pool.estimate import estimate
    from moe_cosim.sim.sweep.store.store import Store

    planned = plan_sweep(sweep_file, parse_settings(settings))
    number = workers or cores()
    store = Store.open(out) if out is not None and os.path.exists(out) else None
    guess = None if no_estimate else estimate(planned, number, store)
    document = {
        "name": planned.name,
        "plan": planned.plan_id,
        "points": len(planned.points),
        "duplicates": planned.duplicates,
        "removed": planned.removed,
        "axes": list(planned.axes),
        "estimated_s": guess.seconds if guess else None,
        "estimate": guess.as_dict() if guess else None,
        "workers": number,
        "first": [
            {"id": point.id, "variant": point.variant, "experiment": planned.experiment(point).model_dump()}
            for point in planned.points[:5]
        ],
    }
    output.emit(lambda: document, lambda: plan_report(planned, guess, number, all_points=not output.for_people))


@sweep.command()
@click.argument("sweep_file")
@INTO_STORE
@SETTINGS
@WORKERS
@MEMORY
@click.option("--resume/--no-resume", default=True, help="Go on with what the store has (default), or refuse to.")
@output_options()
@click.pass_context
@_clean_ctrl_c
def run(
    ctx: click.Context,
    sweep_file: str,
    out: str,
    settings: tuple[str, ...],
    workers: int | None,
    memory: str | None,
    resume: bool,
    output: Output,
) -> None:
    """Compute the points of SWEEP_FILE that STORE lacks. Those that failed are computed again.

    Exit status: 0 all finished; 1 some failed, or the store cannot be written; 130 after Ctrl-C.
    """
    from moe_cosim.experiment import parse_settings
    from moe_cosim.sim.cli.progress import watching
    from moe_cosim.sim.cli.tables.results.sweep import outcome_report, say_failures
    from moe_cosim.sim.sweep.plan.plan import plan_sweep
    from moe_cosim.sim.sweep.pool.estimate import refuse_hopeless
    from moe_cosim.sim.sweep.pool.local import run_points
    from moe_cosim.sim.sweep.store.store import Store

    budget = memory_bytes(memory)
    planned = plan_sweep(sweep_file, parse_settings(settings))
    if os.path.exists(os.path.join(out, "store.json")):
        done = Store.open(out).progress(planned).finished
        if done and not resume:
            raise InputError("--no-resume", "STORE", Plain(f"{len(done)} points of this sweep"), "a store without them")
    else:
        done = []
    if not done:
        refuse_hopeless(planned)
    store = Store.create(out)
    store.add_plan(planned)
    with watching(planned.name) as watch:
        outcome = run_points(store, planned, None, workers or cores(), budget, watch)
    if output.for_people:
        say_failures(outcome.failures, outcome.damaged)
    output.emit(outcome.as_dict, lambda: outcome_report(outcome))
    if outcome.stopped_by is not None:
        click.echo(_STOPPED, err=True)
        ctx.exit(128 + outcome.stopped_by)
    ctx.exit(1 if outcome.failures else 0)


@sweep.command()
@click.argument("store")
@output_options("sweeps")
def status(store: str, output: Output) -> None:
    """What STORE has of every sweep, and where its batch jobs stand."""
    from moe_cosim.sim.cli.tables.results.sweep import status_report
    from moe_cosim.sim.sweep.query.status import status as status_of
    from moe_cosim.sim.sweep.store.store import Store

    opened = Store.open(store)
    found = status_of(opened)
    if (opened.path / "batch").exists():
        from moe_cosim.sim.batch.status import batch_lines

        found["jobs"] = batch_lines(opened)
    output.emit(lambda: found, lambda: status_report(found))


@sweep.command()
@click.argument("sweep_file")
@INTO_STORE
@click.option("--maximize", multiple=True, metavar="METRIC", help="Column of results to raise.")
@click.option("--minimize", multiple=True, metavar="METRIC", help="Column of results to lower.")
@click.option("--trials", type=click.IntRange(1), default=100, show_default=True, help="Choices to try.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the optimiser.")
@SETTINGS
@WORKERS
@MEMORY
@output_options("best")
@click.pass_context
@_clean_ctrl_c
def search(
    ctx: click.Context,
    sweep_file: str,
    out: str,
    maximize: tuple[str, ...],
    minimize: tuple[str, ...],
    trials: int,
    seed: int,
    settings: tuple[str, ...],
    workers: int | None,
    memory: str | None,
    output: Output,
) -> None:
    """Search the space of SWEEP_FILE for one goal or two. Two goals give their Pareto front."""
    from moe_cosim.experiment import parse_settings
    from moe_cosim.sim.cli.progress import progress_bar
    from moe_cosim.sim.cli.tables.results.sweep import found_report, say_failures
    from moe_cosim.sim.sweep.query.search import Goal
    from moe_cosim.sim.sweep.query.search import search as search_space
    from moe_cosim.sim.sweep.store.store import Store

    goals = [*(Goal(metric, True) for metric in maximize), *(Goal(metric, False) for metric in minimize)]
    budget, changes = memory_bytes(memory), parse_settings(settings)
    with progress_bar("trials", sweep_file) as bar:
        found = search_space(
            sweep_file, lambda: Store.create(out), goals, trials, seed, workers or cores(), changes, budget,
            lambda done: bar(done, trials),
        )  # fmt: skip
    if output.for_people:
        say_failures(found.failures)
    say_left_out(found.left_out)
    output.emit(found.as_dict, lambda: found_report(found))
    if found.stopped_by is not None:
        click.echo(_STOPPED, err=True)
        ctx.exit(128 + found.stopped_by)
    ctx.exit(0 if found.best else 1)


for command in (*batch.COMMANDS, sweep_report):
    sweep.add_command(command)

COMMANDS = (sweep,)
