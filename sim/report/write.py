"""Runs, read from their folders, as a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from moe_cosim import extras
from moe_cosim.errors import InputError, Plain, RunError
from moe_cosim.sim.report.page import page
from moe_cosim.sim.report.parts import Section
from moe_cosim.sim.report.reported import reported_runs
from moe_cosim.sim.report.sections import answer, time_and_energy
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
        return asdict(self)


def report(folders: Sequence[str | Path], path: str | Path) -> WrittenReport:
    """Write what the runs in `folders` were to the HTML file `path`, whole or not at all.

    Raises `InputError` for a folder that is not that of a run, and without the extra ``report``; `RunError` where the
    file cannot be written.
    """
    if not 1 <= len(folders) <= MOST_RUNS:
        raise InputError("report", "RUN", Plain(f"{len(folders)} folders"), f"1 to {MOST_RUNS}")
    check_file(Path(path))
    extras.load("vl_convert", "report", "report")
    runs = reported_runs([Path(folder) for folder in folders])
    sections = [answer.section(runs), time_and_energy.section(runs)]
    names = [run.name for run in runs]
    subtitle = "What ran, what it came to, and where time and energy went."
    return write_page(path, " · ".join(names), subtitle, sections, names)


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
