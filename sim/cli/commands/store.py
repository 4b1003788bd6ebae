"""``moe-cosim results``, ``collect`` and ``plot``: what a store holds."""

from __future__ import annotations

import click

from moe_cosim.escape import printable
from moe_cosim.sim.cli.output import Output, output_options

_ALL_VERSIONS = click.option(
    "--all-versions", is_flag=True, help="Points of every version of the code, not only of the one at hand or newest."
)


@click.command()
@click.argument("store")
@click.argument("sql", required=False)
@_ALL_VERSIONS
@output_options("results")
def results(store: str, sql: str | None, all_versions: bool, output: Output) -> None:
    """Query STORE with SQL; the points are the table `results` (columns: DESCRIBE results)."""
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
    """Compact the points of STORE into Parquet and compare every checksum."""
    from moe_cosim.sim.cli.tables.results.sweep import collected_report
    from moe_cosim.sim.sweep.store.collect import collect as compact
    from moe_cosim.sim.sweep.store.store import Store

    found = compact(Store.open(store))
    for name in found.damaged:
        click.echo(
            f"moe-cosim: damaged, now missing: {printable(name)} ('moe-cosim sweep run' computes it again)", err=True
        )
    output.emit(found.as_dict, lambda: collected_report(found))


@click.command()
@click.argument("store")
@click.option("--x", required=True, metavar="COLUMN", help="Column of results for the x axis.")
@click.option(
    "--y", required=True, metavar="COLUMN", help="Metric to draw: its median over seeds, and the middle half."
)
@click.option("--hue", metavar="COLUMN", help="A line per value of this column.")
@click.option("--where", "condition", metavar="SQL", help="Only points that fulfil this condition.")
@click.option("--pareto", metavar="CORNER", help="Draw the Pareto front towards this corner, such as upper-left.")
@_ALL_VERSIONS
@click.option("--log", type=click.Choice(["x", "y"]), multiple=True, help="Logarithmic axis.")
@click.option("--out", metavar="FILE", help="PNG, PDF or SVG, by the ending (default: a PNG named after the axes).")
def plot(
    store: str,
    x: str,
    y: str,
    hue: str | None,
    condition: str | None,
    pareto: str | None,
    all_versions: bool,
    log: tuple[str, ...],
    out: str | None,
) -> None:
    """Draw one column of STORE over another."""
    from moe_cosim.sim.sweep.query.plot import file_name
    from moe_cosim.sim.sweep.query.plot import plot as draw
    from moe_cosim.sim.sweep.store.store import Store

    figure = draw(Store.open(store), x, y, out or file_name(x, y), hue, condition, pareto, log, all_versions)
    say_left_out(figure.left_out)
    if figure.versions:
        several = printable(", ".join(figure.versions))
        click.echo(f"moe-cosim: medians of different versions of {several}; run the sweep again", err=True)
    if figure.mixed:
        varying = printable(", ".join(figure.mixed))
        click.echo(f"moe-cosim: {varying} varies within a median; choose with --where or --hue", err=True)
    click.echo(str(figure.path))


def say_left_out(points: int) -> None:
    """On standard error, where there are points that are not shown."""
    if points:
        click.echo(f"moe-cosim: {points:,} points of other versions of the code left out (--all-versions)", err=True)


COMMANDS = (results, collect, plot)
