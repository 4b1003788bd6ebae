"""What must hold of a command, whatever it was given."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import EACCES, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner

from moe_cosim.sim.cli.main import main

LIMIT_S: Final = 20.0
"""Of processor time, per case."""
_ONE_LINE: Final = re.compile(r"moe-cosim: .+: .*: found .*; allowed: .+", re.DOTALL)
_NOTE: Final = re.compile(r"moe-cosim: (damaged, .*|\d+ points of other versions .*)")
"""Said of a store's points before the query is looked at."""
_SYSTEM: Final = tuple(f": {os.strerror(kind)}" for kind in (ENOENT, EISDIR, ENOTDIR, ENAMETOOLONG, EACCES, EINVAL))
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING: Final = {
    "os.mkdir",
    "os.rmdir",
    "os.remove",
    "os.rename",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
}
_STARTING: Final = {"os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect"}


@dataclass(frozen=True)
class Command:
    """A line of the command line. `out`: the run's folder that it leaves where it is accepted."""

    arguments: tuple[str, ...]
    out: Path | None = None


@dataclass
class Verdict:
    """How a case ended, and what was wrong with that."""

    ending: str = "accepted"
    """accepted, refused (exit code 2), failed (1) or stopped (Ctrl-C, and it heard)."""
    faults: list[str] = field(default_factory=list)
    said: str = ""
    seconds: float = 0.0


class _Watch:
    """Python's audit hook: what is written, moved, removed or started outside a folder. A hook stays for good, so there
    is one, and it is switched on and off."""

    def __init__(self) -> None:
        self.inside: str | None = None
        self.seen: list[str] = []
        self._installed = False

    @contextmanager
    def on(self, inside: Path) -> Iterator[list[str]]:
        if not self._installed:
            sys.addaudithook(self._hear)
            self._installed = True
        self.inside, self.seen = str(inside), []
        try:
            yield self.seen
        finally:
            self.inside = None

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.inside is None:
            return
        if event == "open":
            path, _, flags = arguments
            if flags & _WRITING and isinstance(path, str | bytes):
                self._note(event, path)
        elif event in _CHANGING:
            for path in arguments[:2] if event in ("os.rename", "os.link") else arguments[:1]:
                self._note(event, path)
        elif event in _STARTING:
            self.seen.append(f"{event} {arguments[0]!r}")

    def _note(self, event: str, path: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        inside, text = self.inside, os.path.abspath(os.fsdecode(path))
        if inside is not None and not text.startswith(inside + os.sep) and not _is_ours(text):
            self.seen.append(f"{event} {text}")


_WATCH: Final = _Watch()


def _is_ours(path: str) -> bool:
    """What Python and the compiled kernels keep of themselves, temporary files, and what swallows everything."""
    temporary = tempfile.gettempdir()
    if path == temporary or (os.path.dirname(path) == temporary and os.path.basename(path).startswith("moe-cosim-")):
        return True
    return path == os.devnull or "__pycache__" in path or path.endswith((".nbi", ".nbc")) or "/moe-cosim/" in path


def judge(folder: Path, commands: Sequence[Command]) -> Verdict:
    """Run the commands in ``folder/in``, one after the other until one is not accepted.

    They may write below ``folder/outputs`` only.
    """
    verdict = Verdict()
    outputs, before = folder / "outputs", _files(folder)
    here = Path.cwd()
    os.chdir(folder / "in")
    started_s = time.process_time()
    try:
        with _WATCH.on(outputs) as seen:
            for command in commands:
                _run(command, verdict)
                if verdict.ending != "accepted" or verdict.faults:
                    break
    finally:
        os.chdir(here)
    verdict.seconds = time.process_time() - started_s
    if verdict.seconds > LIMIT_S and verdict.ending != "stopped":
        verdict.faults.append(f"took {verdict.seconds:.0f} s")
    verdict.faults += [f"outside the output folder: {each}" for each in seen]
    after = _files(folder)
    verdict.faults += [
        f"outside the output folder: {path} changed"
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]
    return verdict


def _run(command: Command, verdict: Verdict) -> None:
    from tests.fuzz.accepted import wrong_with_run

    found = CliRunner().invoke(main, list(command.arguments))
    verdict.said = f"{' '.join(command.arguments)[:300]}: {found.exit_code}: {found.stderr[-600:]}"
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        last = found.exc_info[2] if found.exc_info else None
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        place = f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}" if last else ""
        verdict.faults.append(f"traceback: {type(found.exception).__name__}: {str(found.exception)[:300]} at {place}")
        return
    lines = found.stderr.splitlines()
    if found.exit_code == 0:
        if command.out is not None:
            verdict.faults += wrong_with_run(command.out)
    elif found.exit_code == 2:
        verdict.ending = "refused"
        said = [line for line in lines if not _NOTE.fullmatch(line)]
        if len(said) != 1 or not _ONE_LINE.fullmatch(said[0]):
            verdict.faults.append("refused in other words than one line of file, field, found and allowed")
        if found.stdout:
            verdict.faults.append("refused, but something was printed")
    elif found.exit_code == 1:
        verdict.ending = "failed"
        if found.stderr.rstrip().endswith(_SYSTEM):
            verdict.faults.append("an input that is not there, or no file, is refused (2) with its field")
        if "not enough memory" in found.stderr:
            verdict.faults.append("not enough memory")
        if not (lines or found.stdout) or "Traceback" in found.stderr:
            verdict.faults.append("failed without a word, or with a traceback")
    elif found.exit_code == 130:
        verdict.ending = "stopped"
    else:
        verdict.faults.append(f"exit code {found.exit_code}")


def _files(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Everything below `folder` but the outputs: kind, size and time of the last change."""
    found = {}
    for place, folders, files in os.walk(folder):
        if Path(place) == folder:
            folders.remove("outputs")
        for name in (*folders, *files):
            seen = os.lstat(os.path.join(place, name))
            size = seen.st_size if name in files else 0
            found[os.path.join(place, name)] = (seen.st_mode, size, seen.st_mtime_ns if name in files else 0)
    return found
