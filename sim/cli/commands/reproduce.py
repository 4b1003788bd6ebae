"""``moe-cosim reproduce`` and ``crosscheck``: against publications, and engine against engine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.cli.commands.options import WORKERS
from moe_cosim.sim.cli.output import Output, output_options

_FOLDER = click.Path(path_type=Path)
EVERY: Final = "all"
"""Instead of a name: every reproduction, in one table."""
_TABLES: Final = {
    "with --fit": ("cells", "unknowns"),
    f"of {EVERY}": ("cells",),
    "without --fit": ("cells", "assumptions", "sensitivity"),
}


@click.command()
@click.argument("name")
@WORKERS
@click.option("--no-sensitivity", is_flag=True, help="Leave out the sensitivity table.")
@click.option(
    "--quick", is_flag=True, help="Short runs (not the figures); with --fit: show the short runs of the search."
)
@click.option("--seeds", metavar="N", default="1", help="Routing seeds: with several, median and range of each cell.")
@click.option("--seed", metavar="N", default="0", help="The first routing seed (default: 0).")
@click.option("--fit", is_flag=True, help="Search the unknowns' ranges for the set that brings all cells closest.")
@click.option("--trials", metavar="N", help="With --fit: how many sets (default: 60).")
@click.option("--model", type=_FOLDER, help="Of cxl-ndp-accuracy: measure the model of this folder anew.")
@click.option("--texts", type=_FOLDER, help="With --model: folder of NAME.held-out and NAME.train.")
@output_options("cells", "assumptions", "sensitivity", "unknowns")
def reproduce(
    name: str,
    workers: int | None,
    no_sensitivity: bool,
    quick: bool,
    seeds: str,
    seed: str,
    fit: bool,
    trials: str | None,
    model: Path | None,
    texts: Path | None,
    output: Output,
) -> None:
    """Print figures of a paper beside simulated ones. NAME: see moe-cosim list reproductions.

    NAME may be ``all``: every reproduction, in one table; as JSON a list of what each one prints.
    """
    from moe_cosim.sim.cli.progress import progress_bar
    from moe_cosim.sim.cli.tables.checks.reproduction import reproduction_report, reproductions_report
    from moe_cosim.sim.reproduce import reproduce as run_reproduction
    from moe_cosim.sim.reproduce import reproductions
    from moe_cosim.sim.reproduce.seeds import COUNTS, FIRSTS

    count, first = _whole_number("--seeds", seeds, COUNTS), _whole_number("--seed", seed, FIRSTS)
    of_model = _folders(model, texts)
    if name == EVERY and (fit or of_model):
        raise InputError("command line", "--fit" if fit else "--model", Plain("all"), "one reproduction, by its name")
    asked = "with --fit" if fit else f"of {EVERY}" if name == EVERY else "without --fit"
    if output.table not in _TABLES[asked]:
        raise InputError("command line", "--table", output.table, f"{' or '.join(_TABLES[asked])} {asked}")
    if fit:
        _fit(name, workers, quick, trials, count, output)
        return
    if trials is not None:
        raise InputError("command line", "--trials", trials, "only with --fit")
    outcomes = []
    varied = not no_sensitivity and (name != EVERY or output.as_json)  # where it is shown
    for each in reproductions() if name == EVERY else (name,):
        with progress_bar("runs", f"reproduce {each}") as progress:
            outcomes.append(run_reproduction(each, workers, varied, quick, progress, count, first, of_model))
    if name == EVERY:
        output.emit(lambda: [one.as_dict() for one in outcomes], lambda: reproductions_report(outcomes))
        return
    (outcome,) = outcomes
    output.emit(outcome.as_dict, lambda: reproduction_report(outcome))


def _fit(name: str, workers: int | None, quick: bool, trials: str | None, seeds: int, output: Output) -> None:
    from moe_cosim.sim.cli.progress import progress_bar
    from moe_cosim.sim.cli.tables.checks.fit import fit_report
    from moe_cosim.sim.reproduce.fit import FEWEST, TRIALS
    from moe_cosim.sim.reproduce.fit import fit as run_fit

    number = TRIALS if trials is None else _whole_number("--trials", trials, f"a whole number from {FEWEST} on")
    with progress_bar("sets", f"fit {name}") as progress:
        found = run_fit(name, workers, quick, number, max(seeds, 3), progress)
    output.emit(found.as_dict, lambda: fit_report(found))


def _folders(model: Path | None, texts: Path | None) -> tuple[Path, Path] | None:
    """Both or neither."""
    if model is None and texts is None:
        return None
    if model is None or texts is None:
        missing = "--model" if model is None else "--texts"
        raise InputError("command line", missing, Plain("nothing"), "a folder: --model and --texts go together")
    return model, texts


def _whole_number(option: str, text: str, allowed: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError("command line", option, text, allowed) from None


@click.command()
@click.argument("cases", nargs=-1)
@click.option("--independent", is_flag=True, help="The suite in which SST is told no shares that memories reach.")
@click.option("--recorded", is_flag=True, help="Against the recorded timelines, even where SST is on the PATH.")
@click.option("--record", is_flag=True, help="Keep what SST says now as the package's recording.")
@output_options("cases")
def crosscheck(cases: tuple[str, ...], independent: bool, recorded: bool, record: bool, output: Output) -> None:
    """Run the named CASES (default: all) on both engines. Exit code 1 where they differ beyond the bounds."""
    import shutil

    from moe_cosim.sim.cli.progress import progress_bar
    from moe_cosim.sim.cli.tables.checks.crosscheck import crosscheck_report
    from moe_cosim.sim.crosscheck.run import crosscheck as run_crosscheck
    from moe_cosim.sim.crosscheck.suite import FED, INDEPENDENT

    live = not recorded and shutil.which("sst") is not None
    with progress_bar("cases", "crosscheck") as progress:
        outcome = run_crosscheck(cases, live, record, progress, INDEPENDENT if independent else FED)
    output.emit(outcome.as_dict, lambda: crosscheck_report(outcome))
    if outcome.violations():
        sys.exit(1)


COMMANDS = (reproduce, crosscheck)
