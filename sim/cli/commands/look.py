"""``moe-cosim list`` and ``routing``: what there is, and what routing is like."""

from __future__ import annotations

import click

from moe_cosim.sim.cli.output import Output, output_options


@click.command(name="list")
@click.argument("kind", required=False)
@output_options("entries")
def list_(kind: str | None, output: Output) -> None:
    """Name what there is, one line each.

    KIND: policies, neuron-policies, machines, devices, links, dram, isas, software, models, neuron-models,
    draft-models, model-families, routers, routing-presets, trace-formats, formats, allocators, lowering-hooks,
    unit-kinds, unit-models, engines, schedulers, experiments, sweeps, reproductions, crosscheck-cases. Without one:
    all of them.
    """
    from moe_cosim.sim.cli.listing import listing
    from moe_cosim.sim.cli.tables.parts.listing import listing_report

    found = listing(kind)
    output.emit(lambda: found, lambda: listing_report(found))


_FORMAT = click.option(
    "--format", "format_name", default="auto", show_default=True, metavar="NAME",
    help="How a file is written (moe-cosim list trace-formats); auto: what it says.",
)  # fmt: skip
_MODEL = click.option("--model", help="Model that was recorded: it says what the file does not, and has to fit.")


@click.group()
def routing() -> None:
    """Look at routing: traces and generators."""


@routing.command()
@click.argument("source")
@click.option("--model", help="Model whose shape a generator preset draws (default: the preset's own).")
@click.option("--sequences", type=click.IntRange(1), default=64, show_default=True, help="Sequences to draw.")
@click.option("--tokens", type=click.IntRange(2), default=256, show_default=True, help="Tokens of each sequence.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@_FORMAT
@output_options("statistics")
def stats(
    source: str, model: str | None, sequences: int, tokens: int, seed: int, format_name: str, output: Output
) -> None:
    """Print statistics of routing. SOURCE: a trace file, or the name of a generator preset."""
    from moe_cosim.sim.cli.routing_stats import routing_statistics
    from moe_cosim.sim.cli.tables.parts.routing import routing_report

    found = routing_statistics(source, model, sequences, tokens, seed, format_name)
    output.emit(found.as_dict, lambda: routing_report(found))


@routing.command(name="show")
@click.argument("file")
@_MODEL
@_FORMAT
@output_options("facts")
def show_file(file: str, model: str | None, format_name: str, output: Output) -> None:
    """Say what FILE is. Its format is printed, and how much routing of what model it holds."""
    from moe_cosim.sim.cli.routing_files import recording_document
    from moe_cosim.sim.cli.tables.parts.routing import recording_report

    found = recording_document(file, model, format_name)
    output.emit(lambda: found, lambda: recording_report(found))


@routing.command()
@click.argument("file")
@click.argument("out")
@_MODEL
@_FORMAT
@output_options("facts")
def convert(file: str, out: str, model: str | None, format_name: str, output: Output) -> None:
    """Write what FILE holds to OUT. As Parquet if OUT ends in .parquet, else in our own format (.npz)."""
    from moe_cosim.sim.cli.routing_files import convert_recording
    from moe_cosim.sim.cli.tables.parts.routing import recording_report

    found = convert_recording(file, out, model, format_name)
    output.emit(lambda: found, lambda: recording_report(found))


COMMANDS = (list_, routing)
