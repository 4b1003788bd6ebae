"""``moe-cosim quantize``: measured losses of a Hugging Face folder's experts (extra ``quantize``)."""

from __future__ import annotations

import os
from pathlib import Path

import click

from moe_cosim.sim.cli.output import Output, output_options


@click.command()
@click.argument("model_dir")
@click.option("--bits", default="1,2,3,4", show_default=True, help="Widths, separated by commas.")
@click.option("--method", default="gptq", show_default=True, help="gptq, hqq, gguf-k, ... (docs/quantization.md).")
@click.option("--group-size", default=128, show_default=True, help="Weights that share a scale.")
@click.option("--symmetric", is_flag=True, help="Without zero points.")
@click.option("--calibration", metavar="FILE", help="Text, .jsonl with a field text, or token ids (.npy).")
@click.option("--tokens", default=8192, show_default=True, help="Of the calibration, at most.")
@click.option("--sequence-tokens", default=512, show_default=True, help="Length of the sequences it is cut into.")
@click.option("--delta-tokens", default=1024, show_default=True, help="Of these the change of loss is measured on.")
@click.option("--quick", is_flag=True, help="Round to nearest without data: errors of weights, not of outputs.")
@click.option("-o", "--out", required=True, metavar="FILE", help="The table of losses (.npz).")
@click.option("--trace", metavar="FILE", help="The routing seen (default: beside the table, NAME-routing.npz).")
@click.option("--work", metavar="FOLDER", help="Finished layers, to go on after an end (default: FILE.work).")
@output_options("losses")
def quantize(
    model_dir: str,
    bits: str,
    method: str,
    group_size: int,
    symmetric: bool,
    calibration: str | None,
    tokens: int,
    sequence_tokens: int,
    delta_tokens: int,
    quick: bool,
    out: str,
    trace: str | None,
    work: str | None,
    output: Output,
) -> None:
    """Measure what a model's experts lose at each width. Layer by layer: those of MODEL_DIR."""
    from moe_cosim.errors import InputError, Plain
    from moe_cosim.sim.cli.progress import progress_bar
    from moe_cosim.sim.cli.tables.checks.quantize import losses_report
    from moe_cosim.workloads.quantization.checkpoints import CheckpointFolder
    from moe_cosim.workloads.quantization.measuring import Wanted, WorkFolder, measure

    if quick == (calibration is not None):
        found = Plain("both" if quick else "neither")
        raise InputError("quantize", "--calibration, --quick", found, "a file to calibrate on, or --quick")
    table = _writable(out, "--out")
    routing = _writable(trace or str(table.with_name(f"{table.stem}-routing.npz")), "--trace")
    wanted = Wanted(
        folder=Path(model_dir),
        bits=_widths(bits),
        method="rtn" if quick else method,
        group_size=group_size,
        zero_point=not symmetric,
        calibration=Path(calibration) if calibration is not None else None,
        tokens=tokens,
        sequence_tokens=sequence_tokens,
        delta_tokens=delta_tokens,
    )
    folder = CheckpointFolder(wanted.folder)
    place = WorkFolder(Path(work) if work is not None else table.with_name(f"{table.name}.work"), wanted.digest())
    try:
        with progress_bar("layers", f"{wanted.method} of {folder.model.name}") as progress:
            measured = measure(folder, wanted, place, progress)
        measured.save(table, routing)
    except InputError:
        place.remove_unless_begun()
        raise
    place.remove()
    output.emit(measured.summary, lambda: losses_report(measured.summary()))


def _widths(text: str) -> tuple[int, ...]:
    from moe_cosim.errors import InputError

    parts = text.split(",")
    if not all(part.strip().isascii() and part.strip().isdigit() for part in parts):
        raise InputError("quantize", "--bits", text, "whole numbers separated by commas, as 1,2,3,4")
    return tuple(sorted({int(part) for part in parts}))


def _writable(text: str, option: str) -> Path:
    from moe_cosim.errors import InputError, Plain

    path = Path(text)
    if path.suffix != ".npz":
        raise InputError("quantize", option, text, "a name that ends in .npz")
    parent = path.resolve().parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK) or path.is_dir():
        found = Plain(f"{text}, in no folder that can be written")
        raise InputError("quantize", option, found, "a file in a folder that is there")
    return path


COMMANDS = (quantize,)
