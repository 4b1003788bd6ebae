"""The long run: ``make fuzz``, or one case again: ``python -m tests.fuzz --kind KIND --seed SEED --again``."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from queue import Queue

import click

from tests.fuzz.kinds import KINDS
from tests.fuzz.workers import Case, Outcome, run_case, run_cases

_ENDINGS = ("accepted", "refused", "failed", "stopped", "gone")


@click.command()
@click.option("--cases", default=20_000, show_default=True, help="How many.")
@click.option("--minutes", default=1e9, help="No more are begun after so long.")
@click.option("--seed", default=0, show_default=True, help="Of the first case; the others follow.")
@click.option(
    "--kind", "kinds", type=click.Choice(list(KINDS)), multiple=True, help="Only this (default: all in turn)."
)
@click.option("--processes", default=2, show_default=True, help="Side by side.")
@click.option("--again", is_flag=True, help="The first case alone, in this process; its folder stays.")
def main(cases: int, minutes: float, seed: int, kinds: tuple[str, ...], processes: int, again: bool) -> None:
    """Prints counts by kind, and of each fault a case that shows it. Exit code 1 where there is a fault."""
    chosen = kinds or tuple(KINDS)
    if again:
        folder = Path(tempfile.mkdtemp(prefix="moe-cosim-fuzz-"))
        verdict = run_case(Case(chosen[0], seed), folder)
        click.echo(f"{folder}\n{verdict.ending}, {verdict.seconds:.1f} s\n{verdict.said}")
        click.echo("\n".join(verdict.faults))
        raise SystemExit(bool(verdict.faults))
    wanted = [Case(chosen[number % len(chosen)], seed + number) for number in range(cases)]
    outcomes = _run(wanted, minutes, processes)
    _print_counts(outcomes)
    raise SystemExit(_print_faults(outcomes))


def _run(cases: list[Case], minutes: float, processes: int) -> list[Outcome]:
    done: Queue[Outcome | None] = Queue()
    until_s = time.monotonic() + 60 * minutes
    scratch = Path(tempfile.mkdtemp(prefix="moe-cosim-fuzz-"))

    def work(part: list[Case]) -> None:
        try:
            for outcome in run_cases((case for case in part if time.monotonic() < until_s), scratch):
                done.put(outcome)
        finally:
            done.put(None)

    threads = [
        threading.Thread(target=work, args=(cases[first::processes],), daemon=True) for first in range(processes)
    ]
    for thread in threads:
        thread.start()
    found: list[Outcome] = []
    working = processes
    try:
        while working:
            outcome = done.get()
            working -= outcome is None
            if outcome is None:
                continue
            found.append(outcome)
            for fault in outcome.verdict.faults:
                click.echo(f"{outcome.case.kind} {outcome.case.seed}: {fault}\n    {outcome.verdict.said}")
            if outcome.verdict.ending == "stopped":
                click.echo(f"{outcome.case.kind} {outcome.case.seed}: stopped\n    {outcome.verdict.said}")
            if len(found) % 500 == 0:
                click.echo(f"-- {len(found)} cases")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return found


def _print_counts(outcomes: list[Outcome]) -> None:
    click.echo(
        f"{'kind':12} {'cases':>6} " + " ".join(f"{each:>8}" for each in _ENDINGS) + "  faults  slowest  most memory"
    )
    for kind in (*KINDS, "all"):
        these = [each for each in outcomes if kind in (each.case.kind, "all")]
        if not these:
            continue
        counts = Counter(each.verdict.ending for each in these)
        click.echo(
            f"{kind:12} {len(these):6} "
            + " ".join(f"{counts[each]:8}" for each in _ENDINGS)
            + f"  {sum(bool(each.verdict.faults) for each in these):6}"
            + f"  {max(each.verdict.seconds for each in these):5.1f} s"
            + f"  {max(each.peak_bytes for each in these) / 2**20:7.0f} MiB"
        )


def _print_faults(outcomes: list[Outcome]) -> int:
    """Each once, with a case; how many are different."""
    seen: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        for fault in outcome.verdict.faults:
            words = "".join("#" if letter.isdigit() else letter for letter in fault)[:100]
            seen.setdefault(words, []).append(outcome)
    for words, several in seen.items():
        case = several[0].case
        click.echo(f"{len(several)} x {words}\n    python -m tests.fuzz --kind {case.kind} --seed {case.seed} --again")
    return bool(seen)


if __name__ == "__main__":
    main()
