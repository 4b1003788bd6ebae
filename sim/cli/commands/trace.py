"""``moe-cosim trace``: a run's timeline for Perfetto; and ``run --trace``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from moe_cosim.errors import InputError
from moe_cosim.sim.cli.output import Output, output_options

if TYPE_CHECKING:
    from moe_cosim.experiment import Experiment
    from moe_cosim.sim.results.result import Result


@click.command()
@click.argument("folder", type=click.Path())
@click.option("-o", "--out", required=True, type=click.Path(), help="File to write; packed where it ends in .gz.")
@click.option("--steps", metavar="FIRST:LAST", help="Only what belongs to these steps (the prefill is step 0).")
@click.option("--layers", metavar="FIRST:LAST", help="Only what belongs to these layers.")
@output_options()
def trace(folder: str, out: str, steps: str | None, layers: str | None, output: Output) -> None:
    """Write the timeline of a run for Perfetto. FOLDER is what run --out wrote; the trace opens at ui.perfetto.dev."""
    from moe_cosim.sim.cli.tables.results.trace import trace_report
    from moe_cosim.sim.trace.folder import trace as trace_folder
    from moe_cosim.sim.trace.selection import Selection

    written = trace_folder(folder, out, Selection.parse(steps, layers))
    output.emit(written.as_dict, lambda: trace_report(written))


def check_trace(file: str, keep: str | None) -> None:
    """`InputError` for what ``run --trace`` could not do once the run is over."""
    from moe_cosim.sim.trace.folder import check_file

    if keep not in (None, "all"):
        raise InputError("--trace", "--keep", keep, "all: a trace is made of program and timeline")
    check_file(Path(file))


def trace_run(file: str, experiment: Experiment, result: Result) -> None:
    """Write what has just run."""
    from moe_cosim.sim.kept.kept_run import machine_of_experiment
    from moe_cosim.sim.trace.trace import write_trace

    write_trace(machine_of_experiment(experiment), result.timeline, Path(file))


COMMANDS = (trace,)
