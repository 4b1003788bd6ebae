"""``moe-cosim run``, ``replay`` and ``compare``: one experiment, and two."""

from __future__ import annotations

import sys
from functools import partial

import click

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.cli.commands.options import SETTINGS, WORKERS, cores
from moe_cosim.sim.cli.commands.trace import check_trace, trace_run
from moe_cosim.sim.cli.output import Output, output_options


@click.command()
@click.argument("experiment")
@SETTINGS
@click.option("--out", type=click.Path(), help="Folder to leave the result, timeline and program in.")
@click.option(
    "--keep",
    type=click.Choice(["all", "program", "timeline", "result"]),
    help="Of these, with --out: the program, the timeline, both (all, the default), or the result alone.",
)
@click.option("--trace", "trace_file", type=click.Path(), help="File for a Perfetto trace of the run (docs/trace.md).")
@click.option("--engine", help="Engine to run on (moe-cosim list engines).")
@click.option("--ranks", type=click.IntRange(1), help="Of the sst engine: MPI processes.")
@click.option("--threads", type=click.IntRange(1), help="Of the sst engine: threads of each process.")
@click.option("--line-size", type=click.IntRange(1), help="Bytes of one request, on any engine.")
@click.option("--steps", metavar="FIRST:LAST", help="Run only these steps on the engine, and extrapolate.")
@click.option("--layers", metavar="FIRST:LAST", help="Run only these layers on the engine, and extrapolate.")
@click.option("--sensitivity", is_flag=True, help="Vary every assumption over its range, one at a time.")
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME", help="Of --sensitivity: a figure (default: the answer)."
)
@click.option("--only", multiple=True, metavar="ASSUMPTION", help="Of --sensitivity: vary this one, not all.")
@click.option(
    "--against", multiple=True, metavar="EXPERIMENT", help="Of --sensitivity: how many times better than that."
)
@WORKERS
@output_options(
    "headline", "sensitivity", "critical_path", "units", "memories", "links", "traffic", "energy", "energy_purposes",
    "experts", "precisions", "assumptions",
)  # fmt: skip
def run(
    experiment: str,
    settings: tuple[str, ...],
    out: str | None,
    keep: str | None,
    trace_file: str | None,
    engine: str | None,
    ranks: int | None,
    threads: int | None,
    line_size: int | None,
    steps: str | None,
    layers: str | None,
    sensitivity: bool,
    metrics: tuple[str, ...],
    only: tuple[str, ...],
    against: tuple[str, ...],
    workers: int | None,
    output: Output,
) -> None:
    """Run an experiment. EXPERIMENT: a YAML file, or the name of a shipped one (moe-cosim list experiments)."""
    from moe_cosim.errors import RunError
    from moe_cosim.experiment import load_experiment, parse_settings
    from moe_cosim.sim.cli.progress import progress_bar
    from moe_cosim.sim.cli.tables.results.result import result_report
    from moe_cosim.sim.engines.sst.options import slow_choice
    from moe_cosim.sim.results.recorder import KEPT, PROGRAM, TIMELINE
    from moe_cosim.sim.run import run as run_experiment
    from moe_cosim.sim.sensitivity.metrics import check_known
    from moe_cosim.sim.sensitivity.vary import baselines, vary

    if not sensitivity:
        _refuse_alone(metrics, only, against, workers, output)
    check_known(metrics)
    if (note := slow_choice(ranks, threads)) is not None:
        click.echo(f"moe-cosim: {note}", err=True)
    if keep is not None and out is None:
        raise InputError("--keep", "--out", Plain("none"), "a folder to keep it in")
    if trace_file is not None:
        check_trace(trace_file, keep)
    kept = {"result": (), "program": (PROGRAM,), "timeline": (TIMELINE,), "all": KEPT}.get(keep or "")
    if trace_file is not None:
        kept = KEPT
    changes = parse_settings(settings)
    if engine is not None:
        changes["engine"] = engine
    options = {
        "engine.ranks": ranks,
        "engine.threads": threads,
        "engine.line_size": line_size,
        "window.steps": steps,
        "window.layers": layers,
    }
    changes |= {path: value for path, value in options.items() if value is not None}
    chosen = load_experiment(experiment, changes)
    rivals = baselines(chosen, against, changes)
    try:
        with progress_bar("events", experiment) as progress:
            result = run_experiment(
                chosen, None, out, progress, kept if out is not None or trace_file is not None else ()
            )
        if trace_file is not None:
            trace_run(trace_file, chosen, result)
    except MemoryError:
        raise RunError(
            f"{chosen.where}: not enough memory for a workload.batch of {chosen.workload.batch:,}, "
            f"workload.prompt_tokens of {chosen.workload.prompt_tokens:,} and workload.output_tokens of "
            f"{chosen.workload.output_tokens:,} on {chosen.model}; smaller ones take less, so does --keep result"
        ) from None
    if not sensitivity:
        output.emit(result.as_dict, lambda: result_report(result))
        return
    with progress_bar("runs", f"sensitivity of {chosen.name}") as counted:
        found = vary(chosen, result, rivals, metrics, only, workers or cores(), counted, partial(click.echo, err=True))
    if out is not None:
        found.save(out)
    output.emit(lambda: result.as_dict() | {"sensitivity": found.as_dict()}, lambda: result_report(result, found))


def _refuse_alone(
    metrics: tuple[str, ...], only: tuple[str, ...], against: tuple[str, ...], workers: int | None, output: Output
) -> None:
    """Options that say nothing without ``--sensitivity``."""
    asked = {
        "--metric": metrics, "--only": only, "--against": against, "--workers": workers,
        "--table sensitivity": output.alone and output.table == "sensitivity",
    }  # fmt: skip
    for option, value in asked.items():
        if value:
            raise InputError("command line", option, Plain("no --sensitivity"), "both, or neither")


@click.command()
@click.argument("folder", type=click.Path())
@click.option("--engine", help="Engine to run on (default: the one the run used).")
@output_options()
def replay(folder: str, engine: str | None, output: Output) -> None:
    """Run the program of FOLDER (from run --out) again, alone. Exit code 1 unless every picosecond is equal."""
    from moe_cosim.sim.cli.progress import progress_bar
    from moe_cosim.sim.cli.tables.results.result import replay_report
    from moe_cosim.sim.replay import replay as run_replay

    with progress_bar("events", f"replay {folder}") as progress:
        found = run_replay(folder, engine, progress)
    output.emit(found.as_dict, lambda: replay_report(found))
    if not found.equal:
        sys.exit(1)


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("--baseline", metavar="NAME", help="What ratios are to: a run, or a policy (default: the first run).")
@output_options("headline", "speedups", "geomeans", "critical_path", "energy", "units", "moves", "experts")
def compare(runs: tuple[str, ...], baseline: str | None, output: Output) -> None:
    """Say why runs differ, and by how much. Each is the folder of a finished run, or an experiment (which is run)."""
    from moe_cosim.sim.cli.tables.results.comparison import comparison_report
    from moe_cosim.sim.compare.compare import compare as compare_runs

    found = compare_runs(*runs, baseline=baseline)
    output.emit(found.as_dict, lambda: comparison_report(found))


COMMANDS = (run, replay, compare)
