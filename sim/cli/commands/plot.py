"""``moe-cosim plot``: figures and tables for papers."""

from __future__ import annotations

from typing import Any

import click

from moe_cosim.escape import printable
from moe_cosim.sim.cli.commands.store import ALL_VERSIONS, say_left_out

_COLUMN = "COLUMN"


@click.command()
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option(
    "--kind", metavar="KIND", help="lines (default), bars, breakdown, cdf, roofline, heatmap, pareto or tornado."
)
@click.option("--x", metavar=_COLUMN, help="Column along x; bars stand in its order (default of bars: variant).")
@click.option("--y", metavar=_COLUMN, help="Metric: its median over seeds, and the middle half.")
@click.option("--hue", metavar=_COLUMN, help="A line, a bar or a curve for each value of this column.")
@click.option("--where", "condition", metavar="SQL", help="Only points that fulfil this condition.")
@click.option("--of", metavar="WHAT", help="Breakdown, CDF, heat map: of what (docs/figures.md).")
@click.option("--by", metavar="KEY", help="What the parts of a breakdown, or kernels, are told apart by.")
@click.option("--phase", metavar="PHASE", help="Only prefill, or only decode.")
@click.option("--per", metavar="UNIT", help="A breakdown per run (default), token or step.")
@click.option("--parts", type=click.IntRange(2, 64), help="Most parts of a breakdown, the rest together (default: 8).")
@click.option("--share", is_flag=True, help="Bars of a breakdown as shares of their whole.")
@click.option("--baseline", metavar="VALUE", help="Relative to this value of --hue (of --x where there is no hue).")
@click.option("--speedup", is_flag=True, help="How many times better than the baseline, for times as for rates.")
@click.option("--geomean", is_flag=True, help="Add the geometric mean over --x.")
@click.option("--stacked", is_flag=True, help="Bars of a hue on top of each other.")
@click.option("--values", is_flag=True, help="Write the numbers beside bars and into cells.")
@click.option("--pareto", metavar="CORNER", help="The Pareto front towards this corner, such as upper-left.")
@click.option("--log", type=click.Choice(["x", "y"]), multiple=True, help="Logarithmic axis.")
@click.option("--order", metavar="A,B,...", help="Categories that come first.")
@click.option("--labels", metavar="FILE", help="YAML: names of columns and values, and their order.")
@click.option("--size", default="ieee-1", show_default=True, help="Width: ieee-1, ieee-2, acm-1 or acm-2 (columns).")
@click.option("--height", "height_in", type=float, metavar="INCHES", help="Height, where the usual does not fit.")
@ALL_VERSIONS
@click.option("--out", metavar="FILE", help="PDF, PNG, SVG; CSV, TEX for the numbers (default: a PNG named after it).")
def plot(
    sources: tuple[str, ...],
    kind: str | None,
    log: tuple[str, ...],
    order: str | None,
    pareto: str | None,
    out: str | None,
    **asked: Any,
) -> None:
    """Draw a figure for a paper. From a store, from folders of runs, or from both."""
    from moe_cosim.sim.figures.plot import file_name
    from moe_cosim.sim.figures.plot import plot as draw
    from moe_cosim.sim.figures.request import LINES, PARETO, FigureRequest

    usual = LINES if pareto is None else PARETO
    names = tuple(filter(None, (name.strip() for name in (order or "").split(","))))
    request = FigureRequest(kind=kind or usual, pareto=pareto, log=log, order=names, **asked)
    found = draw(sources, request, out or file_name(request))
    if found.points is not None:
        say_left_out(found.points.left_out)
        if found.points.versions:
            several = printable(", ".join(found.points.versions))
            click.echo(f"moe-cosim: medians of different versions of {several}; run the sweep again", err=True)
        if found.points.mixed:
            varying = printable(", ".join(found.points.mixed))
            click.echo(f"moe-cosim: {varying} varies within a median; choose with --where or --hue", err=True)
    if found.missing:
        click.echo(f"moe-cosim: the font has no {printable(' '.join(found.missing))}; --labels renames", err=True)
    click.echo(str(found.path))


COMMANDS = (plot,)
