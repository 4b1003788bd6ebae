"""Cases in processes of their own, that may be slow, fill their memory, or die."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Final

from tests.fuzz.judge import LIMIT_S, Verdict, judge
from tests.fuzz.kinds import make

MEMORY_BYTES: Final = 4 * 2**30
"""That a case may take, above what the process had before."""
_GRACE_S: Final = 10.0
"""Of processor time after Ctrl-C; and without any the process waits for something."""
_WAITING_S: Final = 120.0
_CASES_PER_PROCESS: Final = 400


@dataclass(frozen=True)
class Case:
    kind: str
    seed: int

    @property
    def random(self) -> Random:
        return Random(f"{self.kind} {self.seed}")


@dataclass(frozen=True)
class Outcome:
    case: Case
    verdict: Verdict
    peak_bytes: int = 0


def run_case(case: Case, folder: Path) -> Verdict:
    """In this process, in a new folder."""
    return judge(folder, make(case.kind, case.random, folder))


def run_cases(cases: Iterable[Case], scratch: Path) -> Iterator[Outcome]:
    """One after the other, in a process beside this one."""
    beside: _Beside | None = None
    for number, case in enumerate(cases):
        if beside is not None and number % _CASES_PER_PROCESS == 0:
            beside.end()
            beside = None
        if beside is None:
            beside = _Beside(scratch)
        outcome = beside.run(case)
        yield outcome
        if not beside.alive:
            beside = None
    if beside is not None:
        beside.end()


class _Beside:
    """The process."""

    def __init__(self, scratch: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, scratch), daemon=True)
        self._process.start()
        theirs.close()
        self.alive = True
        self._pipe.recv()  # it is ready

    def run(self, case: Case) -> Outcome:
        began_s, began_cpu_s, stopped = time.monotonic(), self._cpu_s(), False
        self._pipe.send(case)
        while not self._pipe.poll(0.2):
            took_s, wall_s = self._cpu_s() - began_cpu_s, time.monotonic() - began_s
            waits = wall_s > _WAITING_S and took_s < 1
            if not self._process.is_alive():
                return self._gone(case, f"the process died ({self._process.exitcode})")
            if not stopped and (took_s > LIMIT_S or waits):
                stopped = True
                os.kill(self._process.pid or 0, signal.SIGINT)
            elif took_s > LIMIT_S + _GRACE_S or (waits and wall_s > _WAITING_S + _GRACE_S):
                return self._gone(case, "waits for ever" if waits else "deaf to Ctrl-C")
        try:
            found: Outcome = self._pipe.recv()
        except EOFError:
            return self._gone(case, "the process died")
        return found

    def end(self) -> None:
        self._pipe.close()
        self._process.join(10)
        self._process.kill()

    def _gone(self, case: Case, fault: str) -> Outcome:
        self._process.kill()
        self._process.join()
        self.alive = False
        return Outcome(case, Verdict("gone", [fault]))

    def _cpu_s(self) -> float:
        try:
            text = Path(f"/proc/{self._process.pid}/stat").read_text()
        except OSError:
            return 0.0
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _serve(pipe: Connection, scratch: Path) -> None:
    from tests.fuzz.kinds import warm

    warm()  # what every case needs is no case's time or memory
    pipe.send("ready")
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + MEMORY_BYTES,) * 2)
    while True:
        try:
            case: Case = pipe.recv()
        except EOFError:
            return
        before = _status("VmRSS")
        _forget_peak()
        folder = Path(tempfile.mkdtemp(dir=scratch))
        try:
            verdict = run_case(case, folder)
        except KeyboardInterrupt:
            verdict = Verdict("stopped", said="between commands, or while a run was checked")
        peak = max(_status("VmHWM") - before, 0)
        if peak > MEMORY_BYTES:
            verdict.faults.append(f"took {peak / 2**30:.1f} GiB")
        shutil.rmtree(folder, ignore_errors=True)
        pipe.send(Outcome(case, verdict, peak))


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _status(name: str) -> int:
    """Bytes of a line of the kernel's on this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0
