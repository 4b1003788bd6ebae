"""Runs, read from their folders, as a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from moe_cosim import extras
from moe_cosim.errors import InputError, Plain, RunError
from moe_cosim.sim.kept.kept_run import KeptRun
from moe_cosim.sim.report.page import page
from moe_cosim.sim.report.parts import Panel, Part, Section, Sentence
from moe_cosim.sim.report.reported import ReportedRun, reported_runs
from moe_cosim.sim.report.sections import (
    answer,
    assumptions,
    bandwidth,
    experts,
    machine,
    power,
    roofline,
    routing,
    software,
    step,
    time_and_energy,
)
from moe_cosim.sim.trace.folder import check_file
from moe_cosim.whole_file import write_whole

MOST_RUNS: Final = 8
"""That colours and panels can tell apart."""


@dataclass(frozen=True)
class WrittenReport:
    """What was written."""

    file: str
    of: list[str]
    """Names of the runs, or of the store."""
    bytes: int

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)


@dataclass(frozen=True)
class _Sort:
    """A section with a panel for each run."""

    key: str
    title: str
    reads: str
    parts: Callable[[ReportedRun], Sequence[Part]]
    of_events: bool = True
    """Whether it is made of the program and the timeline."""


def report(folders: Sequence[str | Path], path: str | Path, chosen_step: int | None = None) -> WrittenReport:
    """Write what the runs in `folders` were to the HTML file `path`, whole or not at all.

    `chosen_step` is the one whose timeline is drawn (0: the prefill; None: the decode step of median length).
    Raises `InputError` for a folder that is not that of a run, a step that a run does not have, and without the extra
    ``report``; `RunError` where the file cannot be written.
    """
    if not 1 <= len(folders) <= MOST_RUNS:
        raise InputError("report", "RUN", Plain(f"{len(folders)} folders"), f"1 to {MOST_RUNS}")
    check_file(Path(path))
    extras.load("vl_convert", "report", "report")
    runs = reported_runs([Path(folder) for folder in folders])
    sorts = _sorts(chosen_step)
    panels: dict[str, list[Panel]] = {sort.key: [] for sort in sorts}
    for run in runs:
        opened = replace(run, kept=KeptRun(run.kept.folder))  # its events are let go with it
        for sort in sorts:
            panels[sort.key].append(Panel(run.name if len(runs) > 1 else "", _parts(sort, opened)))
    own = [Section(sort.key, sort.title, sort.reads, panels[sort.key]) for sort in sorts]
    names = [run.name for run in runs]
    subtitle = "What ran, what it came to, and where time and energy went."
    sections = [
        answer.section(runs),
        own[0],
        time_and_energy.section(runs),
        *own[1:-1],
        software.section(runs),
        own[-1],
    ]
    return write_page(path, " · ".join(names), subtitle, sections, names)


def _sorts(chosen_step: int | None) -> list[_Sort]:
    return [
        _Sort("machine", machine.TITLE, machine.READS, machine.parts, of_events=False),
        _Sort("step", step.TITLE, step.READS, lambda run: step.parts(run, chosen_step)),
        _Sort("bandwidth", bandwidth.TITLE, bandwidth.READS, bandwidth.parts),
        _Sort("power", power.TITLE, power.READS, power.parts, of_events=False),
        _Sort("roofline", roofline.TITLE, roofline.READS, roofline.parts),
        _Sort("experts", experts.TITLE, experts.READS, experts.parts),
        _Sort("routing", routing.TITLE, routing.READS, routing.parts),
        _Sort("assumptions", assumptions.TITLE, assumptions.READS, assumptions.parts, of_events=False),
    ]


def _parts(sort: _Sort, run: ReportedRun) -> Sequence[Part]:
    if sort.of_events and not run.has_events:
        return [
            Sentence("This run kept no program and timeline, which `run --out` does unless `--keep` says otherwise.")
        ]
    return sort.parts(run)


def write_page(
    path: str | Path, title: str, subtitle: str, sections: Sequence[Section], of: list[str]
) -> WrittenReport:
    """Of whatever `of` names. Raises `RunError` where the file cannot be written."""
    html = page(title, subtitle, sections).encode()
    try:
        write_whole(Path(path), html)
    except OSError as error:
        raise RunError(f"{path}: cannot write there: {error.strerror}") from None
    return WrittenReport(str(path), of, len(html))
