"""``moe-cosim accuracy``: what an experiment's widths cost a real model."""

from __future__ import annotations

from pathlib import Path

import click

from moe_cosim.sim.cli.commands.options import SETTINGS
from moe_cosim.sim.cli.output import Output, output_options

_FILES = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=_FILES)
@click.argument("experiment")
@click.option("--text", "texts", type=_FILES, multiple=True, help="A domain's text, of prompts and their answers.")
@click.option("--calibration", type=_FILES, multiple=True, help="Text on which losses are measured: not the same.")
@click.option("--prompts", type=click.IntRange(1), default=8, show_default=True, help="Of every text.")
@click.option("--prompt-tokens", type=click.IntRange(1), default=256, show_default=True)
@click.option("--answer-tokens", type=click.IntRange(1), default=128, show_default=True)
@click.option("--method", default="rtn", show_default=True, help="How experts are quantized, as quantize has it.")
@click.option("--group-size", type=int, default=64, show_default=True, help="Weights that share a scale.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@SETTINGS
@output_options("arms")
def accuracy(
    model: Path,
    experiment: str,
    texts: tuple[Path, ...],
    calibration: tuple[Path, ...],
    prompts: int,
    prompt_tokens: int,
    answer_tokens: int,
    method: str,
    group_size: int,
    seed: int,
    settings: tuple[str, ...],
    output: Output,
) -> None:
    """Score a model's answers at the widths that a policy chooses.

    Prompt by prompt: EXPERIMENT's policy, and the experts of the folder MODEL.
    """
    from moe_cosim.experiment import parse_settings
    from moe_cosim.sim.accuracy.measure import AccuracySizes
    from moe_cosim.sim.accuracy.measure import accuracy as measure
    from moe_cosim.sim.cli.progress import progress_bar
    from moe_cosim.sim.cli.tables.checks.accuracy import accuracy_report

    asked = AccuracySizes(prompts, prompt_tokens, answer_tokens, method=method, group_size=group_size, seed=seed)
    with progress_bar("arms", experiment) as progress:
        found = measure(model, experiment, texts, calibration, asked, parse_settings(settings), progress)
    output.emit(found.as_dict, lambda: accuracy_report(found))


COMMANDS = (accuracy,)
