"""``moe-cosim sweep submit``, ``resume`` and ``cancel``, and what job scripts call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from moe_cosim.sim.batch.site import Site
    from moe_cosim.sim.batch.submission import SubmissionRecord
    from moe_cosim.sim.batch.submit import Draft, Wishes

_SHARED = (
    click.option("--scheduler", help="slurm, pbs, lsf, flux or grid-engine; the site file may say it."),
    click.option("--site", type=click.Path(path_type=Path), help="YAML with partition, account, modules, ..."),
    click.option("--chunk", type=click.IntRange(1), help="Points of an element (default: ten minutes of them)."),
    click.option("--time", "limit", help="Time limit of an element: [D-]HH:MM:SS, or minutes."),
    click.option("--warning", type=click.IntRange(1, 65535), help="Seconds before the limit at which it stops."),
    click.option("--dry-run", is_flag=True, help="Print what would be submitted; write and submit nothing."),
)


def _with_shared(command: Any) -> Any:
    for option in reversed(_SHARED):
        command = option(command)
    return command


@click.command()
@click.argument("sweep", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The store, on a shared file system.")
@click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Replace a field of the base experiment.")
@_with_shared
def submit(
    sweep: Path,
    out: Path,
    settings: tuple[str, ...],
    scheduler: str | None,
    site: Path | None,
    chunk: int | None,
    limit: str | None,
    warning: int | None,
    dry_run: bool,
) -> None:
    """Submit the points of SWEEP that STORE lacks as a job array. A second job collects."""
    from moe_cosim.experiment import parse_settings
    from moe_cosim.sim.batch.needs import Needs, point_bytes, point_seconds
    from moe_cosim.sim.batch.resume import left
    from moe_cosim.sim.batch.status import views_or_error
    from moe_cosim.sim.batch.submit import draft
    from moe_cosim.sim.sweep.plan.plan import plan_sweep
    from moe_cosim.sim.sweep.store.store import Store

    chosen = _site(scheduler, site)
    plan = plan_sweep(sweep, parse_settings(settings))
    points = [point.id for point in plan.points]
    if not dry_run:
        Store.create(out).add_plan(plan)
    store = Store.open(out) if (out / "store.json").exists() else None
    if store is not None:
        points = left(store, plan, views_or_error(store))
    if not points:
        click.echo("nothing to submit: every point is in the store, or waits, or runs")
        return
    needs = Needs(None if chunk else point_seconds(plan, store), point_bytes(plan, points))
    _finish([draft(out, plan, points, chosen, _wishes(chunk, limit, warning), needs)], dry_run)


@click.command()
@click.argument("store", type=click.Path(path_type=Path))
@_with_shared
def resume(
    store: Path,
    scheduler: str | None,
    site: Path | None,
    chunk: int | None,
    limit: str | None,
    warning: int | None,
    dry_run: bool,
) -> None:
    """Submit again what is missing or failed in STORE. What waits or runs is left to itself."""
    from moe_cosim.sim.batch.resume import resume as drafts_of
    from moe_cosim.sim.sweep.store.store import Store

    chosen = _site(scheduler, site) if scheduler or site else None
    drafts = drafts_of(Store.open(store), chosen, _wishes(chunk, limit, warning))
    if not drafts:
        click.echo("nothing to resume: every point is in the store, or waits, or runs")
        return
    _finish(drafts, dry_run)


@click.command()
@click.argument("store", type=click.Path(path_type=Path))
def cancel(store: Path) -> None:
    """End the jobs of STORE that wait or run. What they have finished stays."""
    from moe_cosim.sim.batch.resume import cancel as end
    from moe_cosim.sim.sweep.store.store import Store

    ended = end(Store.open(store))
    click.echo(f"cancelled: {' '.join(ended)}" if ended else "nothing waits or runs")


@click.command(hidden=True)
@click.argument("submission", type=click.Path(path_type=Path))
@click.argument("index", type=click.IntRange(1))
@click.pass_context
def element(ctx: click.Context, submission: Path, index: int) -> None:
    """Work through the points of one array element (job scripts call this)."""
    from moe_cosim.sim.batch.element import work

    ctx.exit(work(submission, index))


COMMANDS = (submit, resume, cancel, element)


def _site(scheduler: str | None, path: Path | None) -> Site:
    from moe_cosim.sim.batch.base import site_class
    from moe_cosim.sim.batch.site import load_site

    return load_site(path, scheduler, site_class)


def _wishes(chunk: int | None, limit: str | None, warning: int | None) -> Wishes:
    from moe_cosim.sim.batch.site import parse_time
    from moe_cosim.sim.batch.submit import Wishes

    return Wishes(chunk, None if limit is None else parse_time(limit, "command line", "--time"), warning)


def _finish(drafts: list[Draft], dry_run: bool) -> None:
    from moe_cosim.sim.batch.submit import send

    for drafted in drafts:
        if dry_run:
            click.echo(drafted.text(), nl=False)
            continue
        record = send(drafted).record()
        jobs = record.job_ids[0] if len(record.job_ids) == 1 else f"{record.job_ids[0]} … {record.job_ids[-1]}"
        click.echo(
            f"submitted {record.points} points in {record.elements} elements{_about(record)}:"
            f" {record.scheduler} job {jobs}, then {record.collect_ids[0]} collects ({drafted.folder})"
        )


def _about(record: SubmissionRecord) -> str:
    """What an element is estimated to take."""
    if record.point_s is None:
        return ""
    from moe_cosim.quantity import format_quantity

    return f" of about {format_quantity(record.point_s * record.chunk / record.cores * 1e12, 'ps')}"
