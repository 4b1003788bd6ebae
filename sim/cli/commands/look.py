"""``moe-cosim list`` and ``routing``: what there is, and what routing is like."""

from __future__ import annotations

import click

from moe_cosim.sim.cli.output import Output, output_options


@click.command(name="list")
@click.argument("kind", required=False)
@output_options("entries")
def list_(kind: str | None, output: Output) -> None:
    """Name what there is, one line each. KIND: policies, machines, devices, models, routers, ..."""
    from moe_cosim.sim.cli.listing import listing
    from moe_cosim.sim.cli.tables.listing import listing_report

    found = listing(kind)
    output.emit(lambda: found, lambda: listing_report(found))


@click.group()
def routing() -> None:
    """Look at routing: traces and generators."""


@routing.command()
@click.argument("source")
@click.option("--model", help="Model whose shape a generator preset draws (default: the preset's own).")
@click.option("--sequences", type=click.IntRange(1), default=64, show_default=True, help="Sequences to draw.")
@click.option("--tokens", type=click.IntRange(2), default=256, show_default=True, help="Tokens of each sequence.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@output_options("statistics")
def stats(source: str, model: str | None, sequences: int, tokens: int, seed: int, output: Output) -> None:
    """Statistics of SOURCE: a trace file, or the name of a generator preset."""
    from moe_cosim.sim.cli.routing_stats import routing_statistics
    from moe_cosim.sim.cli.tables.routing import routing_report

    found = routing_statistics(source, model, sequences, tokens, seed)
    output.emit(found.as_dict, lambda: routing_report(found))


COMMANDS = (list_, routing)
