"""What runs in a worker: points off a pipe, records into the store."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from sim.experiment import Experiment
from sim.sweep import memory
from sim.sweep.claims import Claims
from sim.sweep.one_point import run_point
from sim.sweep.record import Record
from sim.sweep.store import Store

FINISHED: Final = "finished"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"
"""Another process had finished it."""
ELSEWHERE: Final = "elsewhere"
"""Another live process is computing it."""
CANNOT_WRITE: Final = "cannot write"


@dataclass(frozen=True)
class Task:
    """One point to run."""

    point_id: str
    experiment: Experiment
    files: dict[str, str]


@dataclass(frozen=True)
class Report:
    """What became of it. `text`: the one line of a failure, or of what cannot be written."""

    point_id: str
    outcome: str
    wall_s: float = 0.0
    text: str = ""
    resident_bytes: int = 0


def work(pipe: Connection, store_path: Path, memory_bytes: int) -> None:
    """Serve until the pipe closes, which it also does when the sweep was killed."""
    # Ctrl-C reaches the whole terminal group; the sweep decides what happens. A scheduler's SIGTERM likewise.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    memory.hold_to(memory_bytes)
    store = Store(store_path)
    claims = store.claims()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            pipe.send(serve(pipe.recv(), store, claims))


def serve(task: Task, store: Store, claims: Claims) -> Report:
    """Run one point, unless it is there or another process runs it."""
    if not claims.take(task.point_id):
        return Report(task.point_id, ELSEWHERE)
    try:
        if store.has(task.point_id):
            return Report(task.point_id, SKIPPED)
        record = run_point(task.point_id, task.experiment, task.files)
        store.write(record)
        return _report(record)
    except OSError as error:
        return Report(task.point_id, CANNOT_WRITE, text=str(store.cannot_write(error)))
    finally:
        claims.release(task.point_id)


def _report(record: Record) -> Report:
    outcome = FINISHED if record.status == "finished" else FAILED
    return Report(record.point_id, outcome, record.wall_s, record.error or "", memory.resident_bytes())
