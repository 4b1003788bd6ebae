"""The command line. Commands import what they need when they run, so that ``--help`` is quick."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

import click

from moe_cosim.errors import MoeCosimError
from moe_cosim.sim.cli.sweep_commands import add_to as add_sweep_commands
from moe_cosim.version import VERSION


class _Commands(click.Group):
    """Turns the project's errors into their one line and exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            done = super().invoke(ctx)
            sys.stdout.flush()  # here, where a full disk or a closed pipe can still be answered
            return done
        except MoeCosimError as error:
            line, code = str(error), error.exit_code
        except KeyboardInterrupt:
            line, code = "interrupted", 130
        except MemoryError:
            line, code = "not enough memory", 1
        except OSError as error:
            _drop_output()
            line = "" if isinstance(error, BrokenPipeError) else f"{error.filename or 'output'}: {error.strerror}"
            code = 1
        if line:
            click.echo(f"moe-cosim: {line}", err=True)
        return ctx.exit(code)


def _drop_output() -> None:
    """Nothing more can be written, so that Python does not try (and complain) again at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="moe-cosim")
def main() -> None:
    """Co-simulate mixture-of-experts inference on GPUs with near-data processing."""


@main.command()
@click.argument("experiment")
@click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Replace a field, e.g. workload.batch=4.")
@click.option("--out", type=click.Path(), help="Folder to leave the result, timeline and program in.")
@click.option("--engine", help="Engine to run on (moe-cosim list engines).")
@click.option("--ranks", type=click.IntRange(1), help="Of the sst engine: MPI processes.")
@click.option("--threads", type=click.IntRange(1), help="Of the sst engine: threads of each process.")
@click.option("--line-size", type=click.IntRange(1), help="Bytes of one request, on any engine.")
@click.option("--steps", metavar="FIRST:LAST", help="Run only these steps on the engine, and extrapolate.")
@click.option("--layers", metavar="FIRST:LAST", help="Run only these layers on the engine, and extrapolate.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def run(
    experiment: str,
    settings: tuple[str, ...],
    out: str | None,
    engine: str | None,
    ranks: int | None,
    threads: int | None,
    line_size: int | None,
    steps: str | None,
    layers: str | None,
    as_json: bool,
) -> None:
    """Run EXPERIMENT: a YAML file, or the name of a shipped one (moe-cosim list experiments)."""
    from moe_cosim.experiment import parse_settings
    from moe_cosim.sim.cli.progress import progress_bar
    from moe_cosim.sim.cli.tables import print_result
    from moe_cosim.sim.engines.sst.options import slow_choice
    from moe_cosim.sim.run import run as run_experiment

    if (note := slow_choice(ranks, threads)) is not None:
        click.echo(f"moe-cosim: {note}", err=True)
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
    with progress_bar("events") as progress:
        result = run_experiment(experiment, changes, out, progress)
    _emit(result.as_dict(), as_json, lambda: print_result(result))


@main.command()
@click.argument("folder", type=click.Path())
@click.option("--engine", help="Engine to run on (default: the one the run used).")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def replay(folder: str, engine: str | None, as_json: bool) -> None:
    """Run the program of FOLDER (from run --out) again, alone. Exit code 1 unless every picosecond is equal."""
    from moe_cosim.sim.cli.progress import progress_bar
    from moe_cosim.sim.cli.tables import print_replay
    from moe_cosim.sim.replay import replay as run_replay

    with progress_bar("events") as progress:
        found = run_replay(folder, engine, progress)
    _emit(found.as_dict(), as_json, lambda: print_replay(found))
    if not found.equal:
        sys.exit(1)


@main.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the tables as JSON.")
@click.option("--workers", type=click.IntRange(1), help="Processes side by side (default: one per core).")
@click.option("--no-sensitivity", is_flag=True, help="Leave out the sensitivity table.")
@click.option("--quick", is_flag=True, help="Decode 64 tokens instead of the full lengths (not the figures).")
def reproduce(name: str, as_json: bool, workers: int | None, no_sensitivity: bool, quick: bool) -> None:
    """Reproduce a publication's figures: published beside simulated. NAME: cxl-ndp, trimoe, edge-ndp."""
    from moe_cosim.sim.cli.progress import progress_bar
    from moe_cosim.sim.cli.tables import print_reproduction
    from moe_cosim.sim.reproduce import reproduce as run_reproduction

    with progress_bar("cells") as progress:
        outcome = run_reproduction(name, workers, not no_sensitivity, quick, progress)
    _emit(outcome.as_dict(), as_json, lambda: print_reproduction(outcome))


@main.command()
@click.argument("machine")
@click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Replace a field of the description.")
def show(machine: str, settings: tuple[str, ...]) -> None:
    """Print MACHINE (a catalogue name or a file) as a tree with peaks and latencies."""
    from moe_cosim.experiment import parse_settings
    from moe_cosim.sim.cli.tables import print_machine

    print_machine(machine, parse_settings(settings))


@main.command(name="list")
@click.argument("kind", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_(kind: str | None, as_json: bool) -> None:
    """Name what there is, one line each. KIND: policies, machines, devices, models, routers, ..."""
    from moe_cosim.sim.cli.listing import listing
    from moe_cosim.sim.cli.tables import print_listing

    found = listing(kind)
    _emit(found, as_json, lambda: print_listing(found))


@main.group()
def routing() -> None:
    """Look at routing: traces and generators."""


@routing.command()
@click.argument("source")
@click.option("--model", help="Model whose shape a generator preset draws (default: the preset's own).")
@click.option("--sequences", type=click.IntRange(1), default=64, show_default=True, help="Sequences to draw.")
@click.option("--tokens", type=click.IntRange(2), default=256, show_default=True, help="Tokens of each sequence.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def stats(source: str, model: str | None, sequences: int, tokens: int, seed: int, as_json: bool) -> None:
    """Statistics of SOURCE: a trace file, or the name of a generator preset."""
    from moe_cosim.sim.cli.routing_stats import routing_statistics
    from moe_cosim.sim.cli.tables import print_routing_stats

    found = routing_statistics(source, model, sequences, tokens, seed)
    _emit(found.as_dict(), as_json, lambda: print_routing_stats(found))


@main.command()
@click.argument("experiment")
@click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Replace a field, e.g. workload.batch=4.")
@click.option("--out", type=click.Path(), required=True, help="Folder to write; it must not exist yet, or be empty.")
@click.option("--line-size", type=click.IntRange(1), help="Bytes of one request (default: the experiment's, or 256).")
def emit(experiment: str, settings: tuple[str, ...], out: str, line_size: int | None) -> None:
    """Write EXPERIMENT as a folder that SST runs, here or on another machine: its README has the commands."""
    from moe_cosim.experiment import parse_settings
    from moe_cosim.sim.emit_experiment import emit_experiment

    click.echo(emit_experiment(experiment, parse_settings(settings), out, line_size))


@main.command()
def doctor() -> None:
    """Say which SST this machine has, or what is missing. Exit code 1 where the sst engine cannot be used."""
    from moe_cosim.sim.engines.sst.installation import doctor_lines

    lines, usable = doctor_lines()
    for line in lines:
        click.echo(line)
    if not usable:
        sys.exit(1)


@main.group()
def sst() -> None:
    """Prepare the sst engine."""


@sst.command()
def build() -> None:
    """Compile this project's SST elements against the SST on this machine (once per version)."""
    from moe_cosim.sim.engines.sst.commands import build_elements

    click.echo(build_elements())


@sst.command()
@click.option("--out", type=click.Path(dir_okay=False), help="File to write (default: print).")
def catalogue(out: str | None) -> None:
    """Write the catalogue of SST elements anew from what sst-info says of the SST on this machine."""
    from moe_cosim.sim.engines.sst.commands import catalogue_text

    text = catalogue_text()
    if out is None:
        click.echo(text, nl=False)
    else:
        with open(out, "w", encoding="utf-8") as file:
            file.write(text)


@main.command()
@click.argument("cases", nargs=-1)
@click.option("--recorded", is_flag=True, help="Against the recorded timelines, even where SST is on the PATH.")
@click.option("--record", is_flag=True, help="Keep what SST says now as the package's recording.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def crosscheck(cases: tuple[str, ...], recorded: bool, record: bool, as_json: bool) -> None:
    """Run the named CASES (default: all) on both engines. Exit code 1 where they differ beyond the bounds."""
    import shutil

    from moe_cosim.sim.cli.progress import progress_bar
    from moe_cosim.sim.cli.tables import print_crosscheck
    from moe_cosim.sim.crosscheck.run import crosscheck as run_crosscheck

    live = not recorded and shutil.which("sst") is not None
    with progress_bar("cases") as progress:
        outcome = run_crosscheck(cases, live, record, progress)
    _emit(outcome.as_dict(), as_json, lambda: print_crosscheck(outcome))
    if outcome.violations():
        sys.exit(1)


@main.command()
@click.argument("a")
@click.argument("b")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def compare(a: str, b: str, as_json: bool) -> None:
    """Say why runs A and B differ. Each is the folder of a finished run, or an experiment (which is run)."""
    from moe_cosim.sim.compare import compare as compare_runs
    from moe_cosim.sim.compare import print_comparison

    found = compare_runs(a, b)
    _emit(found.as_dict(), as_json, lambda: print_comparison(found))


add_sweep_commands(main)


def _emit(document: Any, as_json: bool, show_tables: Any) -> None:
    if as_json:
        import json

        json.dump(document, sys.stdout, indent=2, allow_nan=False)
        sys.stdout.write("\n")
    else:
        show_tables()


if __name__ == "__main__":
    main()
