"""``moe-cosim results`` and ``collect``: what a store holds."""

from __future__ import annotations

import click

from moe_cosim.escape import printable
from moe_cosim.sim.cli.output import Output, output_options

ALL_VERSIONS = click.option(
    "--all-versions", is_flag=True, help="Points of every version of the code, not only of the one at hand or newest."
)


@click.command()
@click.argument("store")
@click.argument("sql", required=False)
@ALL_VERSIONS
@output_options("results")
def results(store: str, sql: str | None, all_versions: bool, output: Output) -> None:
    """Query STORE with SQL. The points are the table `results` (columns: DESCRIBE results)."""
    from moe_cosim.sim.cli.tables.results.query import query_report, query_table
    from moe_cosim.sim.sweep.query.query import ALL, Tables
    from moe_cosim.sim.sweep.store.store import Store

    tables = Tables(Store.open(store), all_versions)
    for name in tables.damaged:
        click.echo(
            f"moe-cosim: damaged, not read: {printable(name)} ('moe-cosim sweep run' computes it again)", err=True
        )
    say_left_out(tables.left_out)
    found = query_table(tables.query(sql or (tables.headline() if output.for_people else ALL)))
    output.emit(found.records, lambda: query_report(found) if output.for_people else [found])


@click.command()
@click.argument("store")
@output_options()
def collect(store: str, output: Output) -> None:
    """Compact the points of STORE into Parquet. Every checksum is compared."""
    from moe_cosim.sim.cli.tables.results.sweep import collected_report
    from moe_cosim.sim.sweep.store.collect import collect as compact
    from moe_cosim.sim.sweep.store.store import Store

    found = compact(Store.open(store))
    for name in found.damaged:
        click.echo(
            f"moe-cosim: damaged, now missing: {printable(name)} ('moe-cosim sweep run' computes it again)", err=True
        )
    output.emit(found.as_dict, lambda: collected_report(found))


def say_left_out(points: int) -> None:
    """On standard error, where there are points that are not shown."""
    if points:
        click.echo(f"moe-cosim: {points:,} points of other versions of the code left out (--all-versions)", err=True)


COMMANDS = (results, collect)
