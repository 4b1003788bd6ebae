"""``moe-cosim sweep``, ``results``, ``collect`` and ``plot``. Imports happen when a command runs."""

from __future__ import annotations

import functools
import json
import os
import sys
from typing import Any

import click

from moe_cosim.errors import InputError, Plain

_SET = click.option(
    "--set", "settings", multiple=True, metavar="PATH=VALUE", help="Replace a field of the base experiment."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
_WORKERS = click.option("--workers", type=click.IntRange(1), help="Processes side by side (default: one per core).")
_MEMORY = click.option("--memory", metavar="SIZE", help="What a worker may take, as '4 GB' (default: its part of all).")


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
@_SET
@click.option("--out", metavar="STORE", help="Store to look in for points that are there already.")
@_WORKERS
@click.option("--no-estimate", is_flag=True, help="Do not run shortened points to estimate the time.")
@_JSON
def plan(
    sweep_file: str, settings: tuple[str, ...], out: str | None, workers: int | None, no_estimate: bool, as_json: bool
) -> None:
    """Show the points of SWEEP_FILE, duplicates left out, and an estimate of time."""
    from moe_cosim.experiment import parse_settings
    from moe_cosim.sim.cli.sweep_tables import print_plan
    from moe_cosim.sim.sweep.plan.estimate import estimate
    from moe_cosim.sim.sweep.plan.plan import plan_sweep
    from moe_cosim.sim.sweep.store.store import Store

    planned = plan_sweep(sweep_file, parse_settings(settings))
    number = workers or _cores()
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
    _emit(document, as_json, lambda: print_plan(planned, guess, number))


@sweep.command()
@click.argument("sweep_file")
@click.option("--out", metavar="STORE", required=True, help="Folder that holds the results; made where there is none.")
@_SET
@_WORKERS
@_MEMORY
@click.option("--resume/--no-resume", default=True, help="Go on with what the store has (default), or refuse to.")
@_JSON
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
    as_json: bool,
) -> None:
    """Compute the points of SWEEP_FILE that STORE lacks, and those that failed.

    Exit status: 0 all finished; 1 some failed, or the store cannot be written; 130 after Ctrl-C.
    """
    from moe_cosim.experiment import parse_settings
    from moe_cosim.sim.cli.sweep_tables import print_outcome, watching
    from moe_cosim.sim.sweep.plan.estimate import refuse_hopeless
    from moe_cosim.sim.sweep.plan.plan import plan_sweep
    from moe_cosim.sim.sweep.pool.local import run_points
    from moe_cosim.sim.sweep.store.store import Store

    budget = _bytes(memory)
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
        outcome = run_points(store, planned, None, workers or _cores(), budget, watch)
    _emit(outcome.as_dict(), as_json, lambda: print_outcome(outcome))
    if outcome.stopped_by is not None:
        click.echo(_STOPPED, err=True)
        ctx.exit(128 + outcome.stopped_by)
    ctx.exit(1 if outcome.failures else 0)


@sweep.command()
@click.argument("store")
@_JSON
def status(store: str, as_json: bool) -> None:
    """What STORE has of every sweep, and where its batch jobs stand."""
    from moe_cosim.sim.cli.sweep_tables import print_status
    from moe_cosim.sim.sweep.query.status import status as status_of
    from moe_cosim.sim.sweep.store.store import Store

    opened = Store.open(store)
    found = status_of(opened)
    if (opened.path / "batch").exists():
        from moe_cosim.sim.batch.status import batch_lines

        found["jobs"] = batch_lines(opened)
    _emit(found, as_json, lambda: print_status(found))


@sweep.command()
@click.argument("sweep_file")
@click.option("--out", metavar="STORE", required=True, help="Folder that holds the results; made where there is none.")
@click.option("--maximize", multiple=True, metavar="METRIC", help="Column of results to raise.")
@click.option("--minimize", multiple=True, metavar="METRIC", help="Column of results to lower.")
@click.option("--trials", type=click.IntRange(1), default=100, show_default=True, help="Choices to try.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the optimiser.")
@_SET
@_WORKERS
@_MEMORY
@_JSON
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
    as_json: bool,
) -> None:
    """Search the space of SWEEP_FILE for one goal, or for the Pareto front of two."""
    from moe_cosim.experiment import parse_settings
    from moe_cosim.sim.cli.progress import progress_bar
    from moe_cosim.sim.cli.sweep_tables import print_found
    from moe_cosim.sim.sweep.query.search import Goal
    from moe_cosim.sim.sweep.query.search import search as search_space
    from moe_cosim.sim.sweep.store.store import Store

    goals = [*(Goal(metric, True) for metric in maximize), *(Goal(metric, False) for metric in minimize)]
    budget, changes = _bytes(memory), parse_settings(settings)
    with progress_bar("trials") as bar:
        watch = None if bar is None else lambda done: bar(done / trials)
        found = search_space(
            sweep_file, lambda: Store.create(out), goals, trials, seed, workers or _cores(), changes, budget, watch
        )
    _emit(found.as_dict(), as_json, lambda: print_found(found))
    if found.stopped_by is not None:
        click.echo(_STOPPED, err=True)
        ctx.exit(128 + found.stopped_by)
    ctx.exit(0 if found.best else 1)


@click.command()
@click.argument("store")
@click.argument("sql", required=False)
@click.option("--csv", "as_csv", is_flag=True, help="Print as CSV.")
@_JSON
def results(store: str, sql: str | None, as_csv: bool, as_json: bool) -> None:
    """Query STORE with SQL; the points are the table `results` (columns: DESCRIBE results)."""
    from moe_cosim.sim.cli.query_tables import print_csv, print_json, print_table
    from moe_cosim.sim.sweep.query.query import ALL, Tables
    from moe_cosim.sim.sweep.store.store import Store

    if as_csv and as_json:
        raise InputError("results", "--csv, --json", Plain("both"), "one of them")
    tables = Tables(Store.open(store))
    for name in tables.damaged:
        click.echo(f"moe-cosim: damaged, not read: {name} ('moe-cosim sweep run' computes it again)", err=True)
    found = tables.query(sql or (ALL if as_csv or as_json else tables.headline()))
    (print_csv if as_csv else print_json if as_json else print_table)(found)


@click.command()
@click.argument("store")
@_JSON
def collect(store: str, as_json: bool) -> None:
    """Compact the points of STORE into Parquet and compare every checksum."""
    from moe_cosim.sim.sweep.store.collect import collect as compact
    from moe_cosim.sim.sweep.store.store import Store

    found = compact(Store.open(store))
    for name in found.damaged:
        click.echo(f"moe-cosim: damaged, now missing: {name} ('moe-cosim sweep run' computes it again)", err=True)
    text = f"{found.points:,} points in {found.parts} parts; {found.compacted:,} compacted now"
    _emit(found.as_dict(), as_json, lambda: click.echo(text))


@click.command()
@click.argument("store")
@click.option("--x", required=True, metavar="COLUMN", help="Column of results for the x axis.")
@click.option(
    "--y", required=True, metavar="COLUMN", help="Metric to draw: its median over seeds, and the middle half."
)
@click.option("--hue", metavar="COLUMN", help="A line per value of this column.")
@click.option("--where", metavar="SQL", help="Only points that fulfil this condition.")
@click.option("--pareto", metavar="CORNER", help="Draw the Pareto front towards this corner, such as upper-left.")
@click.option("--log", type=click.Choice(["x", "y"]), multiple=True, help="Logarithmic axis.")
@click.option("--out", metavar="FILE", help="PNG, PDF or SVG, by the ending (default: a PNG named after the axes).")
def plot(
    store: str,
    x: str,
    y: str,
    hue: str | None,
    where: str | None,
    pareto: str | None,
    log: tuple[str, ...],
    out: str | None,
) -> None:
    """Draw one column of STORE over another."""
    from moe_cosim.sim.sweep.query.plot import file_name
    from moe_cosim.sim.sweep.query.plot import plot as draw
    from moe_cosim.sim.sweep.store.store import Store

    figure = draw(Store.open(store), x, y, out or file_name(x, y), hue, where, pareto, log)
    if figure.mixed:
        varying = ", ".join(figure.mixed)
        click.echo(f"moe-cosim: {varying} varies within a median; choose with --where or --hue", err=True)
    click.echo(str(figure.path))


def add_to(main: click.Group) -> None:
    """Put every command of this module, and the schedulers', under `main`."""
    from moe_cosim.sim.cli.batch_commands import COMMANDS

    for command in COMMANDS:
        sweep.add_command(command)
    for command in (sweep, results, collect, plot):
        main.add_command(command)


def _emit(document: Any, as_json: bool, show: Any) -> None:
    if as_json:
        json.dump(document, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        show()


def _bytes(text: str | None) -> int | None:
    from moe_cosim.quantity import parse_quantity

    if text is None:
        return None
    return int(parse_quantity(text, "bytes", "command line", "--memory"))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
