"""``moe-cosim emit``, ``doctor`` and ``sst``: the other simulator."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from moe_cosim.sim.cli.commands.options import SETTINGS


@click.command()
@click.argument("experiment")
@SETTINGS
@click.option("--out", type=click.Path(), required=True, help="Folder to write; it must not exist yet, or be empty.")
@click.option("--line-size", type=click.IntRange(1), help="Bytes of one request (default: the experiment's, or 256).")
def emit(experiment: str, settings: tuple[str, ...], out: str, line_size: int | None) -> None:
    """Write EXPERIMENT as a folder that SST runs. Its README has the commands, for here or for another machine."""
    from moe_cosim.experiment import parse_settings
    from moe_cosim.sim.emit_experiment import emit_experiment

    click.echo(emit_experiment(experiment, parse_settings(settings), out, line_size))


@click.command()
def doctor() -> None:
    """Say which SST this machine has, or what is missing. Exit code 1 where the sst engine cannot be used."""
    from moe_cosim.sim.engines.sst.installation import doctor_lines

    lines, usable = doctor_lines()
    for line in lines:
        click.echo(line)
    if not usable:
        sys.exit(1)


@click.group()
def sst() -> None:
    """Prepare the sst engine."""


@sst.command()
def build() -> None:
    """Compile this project's SST elements. They are for the SST on this machine, and are kept for each version."""
    from moe_cosim.sim.engines.sst.commands import build_elements

    click.echo(build_elements())


@sst.command()
@click.option("--out", type=click.Path(dir_okay=False), help="File to write (default: print).")
def catalogue(out: str | None) -> None:
    """Write the catalogue of SST elements anew. It is what sst-info says of the SST on this machine."""
    from moe_cosim.sim.engines.sst.commands import catalogue_text
    from moe_cosim.whole_file import write_whole

    text = catalogue_text()
    if out is None:
        click.echo(text, nl=False)
    else:
        write_whole(Path(out), text.encode())


COMMANDS = (emit, doctor, sst)
