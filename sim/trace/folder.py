"""The trace of a run that is kept in a folder."""

from __future__ import annotations

from pathlib import Path

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.kept.kept_run import KeptRun
from moe_cosim.sim.trace.selection import EVERYTHING, Selection
from moe_cosim.sim.trace.trace import WrittenTrace, write_trace


def trace(folder: str | Path, path: str | Path, selection: Selection = EVERYTHING) -> WrittenTrace:
    """Write the run that is kept in `folder` to the file `path`; see `write_trace`.

    Raises `InputError` for a folder that is not that of a run of this version which kept its timeline and program.
    """
    check_file(Path(path))
    run = KeptRun.of(folder)
    timeline = run.timeline
    return write_trace(run.machine, timeline, Path(path), selection)


def check_file(path: Path) -> None:
    """`InputError` where no file can be written: for commands that work before they write."""
    if not path.absolute().parent.is_dir():
        raise InputError(path, "file", Plain("no such folder"), "a file in a folder that exists")
    if path.is_dir():
        raise InputError(path, "file", Plain("a folder"), "a file")
