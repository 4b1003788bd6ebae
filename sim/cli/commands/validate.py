"""``moe-cosim validate``: predicted beside measured."""

from __future__ import annotations

from pathlib import Path

import click

from moe_cosim.sim.cli.commands.options import WORKERS, cores
from moe_cosim.sim.cli.output import Output, output_options


@click.command()
@click.argument("kind", default="", metavar="[kernels|systems|llm|cxl]")
@click.option("--data", type=click.Path(path_type=Path), help="CSV of your own measurements (default: what ships).")
@click.option("--model", type=click.Choice(["catalogue", "tile", "measured"]), help="Unit model of GPUs, for kernels.")
@click.option("--fit", default="", metavar="NAME", help="Fit of the GPUs' constants, for kernels, as 'vllm'.")
@WORKERS
@output_options("rows", "groups", "rankings", "refused", "assumptions")
def validate(kind: str, data: Path | None, model: str | None, fit: str, workers: int | None, output: Output) -> None:
    """Show predictions beside measurements. Rows, groups of rows, and what the errors come to."""
    from moe_cosim.sim.cli.progress import progress_bar
    from moe_cosim.sim.cli.tables.checks.validation import validation_report
    from moe_cosim.sim.validate.kind import Choices
    from moe_cosim.sim.validate.validate import validate as compare

    with progress_bar("runs", f"validate {kind}") as progress:
        chosen = Choices("" if model in (None, "catalogue") else model or "", fit, workers or cores(), progress)
        outcome = compare(kind, data, chosen)
    output.emit(outcome.as_dict, lambda: validation_report(outcome))


COMMANDS = (validate,)
