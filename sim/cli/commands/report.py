"""``moe-cosim report`` and ``sweep report``: runs, and the points of a store, as one HTML file to look at."""

from __future__ import annotations

import click

from moe_cosim.sim.cli.output import Output, output_options


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(), metavar="RUN...")
@click.option("-o", "--out", required=True, type=click.Path(), help="HTML file to write.")
@click.option("--step", type=int, help="Step whose timeline is drawn (0: the prefill; default: one of median length).")
@output_options()
def report(folders: tuple[str, ...], out: str, step: int | None, output: Output) -> None:
    """Write one HTML file of runs to look at. RUN...: folders from run --out, side by side where they are several."""
    from moe_cosim.sim.cli.tables.results.report import written_report
    from moe_cosim.sim.report.write import report as write_report

    written = write_report(folders, out, step)
    output.emit(written.as_dict, lambda: written_report(written))


@click.command(name="report")
@click.argument("store")
@click.option("-o", "--out", required=True, type=click.Path(), help="HTML file to write.")
@click.option("--metric", "metrics", multiple=True, metavar="COLUMN", help="Of results; the front is of the first two.")
@output_options()
def sweep_report(store: str, out: str, metrics: tuple[str, ...], output: Output) -> None:
    """Write one HTML file of the points of STORE to look at.

    The table, the front, every parameter against every metric.
    """
    from moe_cosim.sim.cli.tables.results.report import written_report
    from moe_cosim.sim.report.sweeps.write import report_sweep
    from moe_cosim.sim.sweep.store.store import Store

    written = report_sweep(Store.open(store), out, metrics)
    output.emit(written.as_dict, lambda: written_report(written))


COMMANDS = (report,)
