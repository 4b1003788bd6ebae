"""What runs in a worker: points off a pipe, records into the store."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from moe_cosim.sim.sweep.pool import memory
from moe_cosim.sim.sweep.pool.messages import CANNOT_WRITE, ELSEWHERE, FAILED, FINISHED, SKIPPED, Report, Task
from moe_cosim.sim.sweep.pool.one_point import run_point
from moe_cosim.sim.sweep.pool.unchanged import Unchanged
from moe_cosim.sim.sweep.store.claims import Claims
from moe_cosim.sim.sweep.store.record import PointRecord
from moe_cosim.sim.sweep.store.store import Store


def work(pipe: Connection, store_path: Path, memory_bytes: int) -> None:
    """Serve until the pipe closes, which it also does when the sweep was killed."""
    # Ctrl-C reaches the whole terminal group; the sweep decides what happens. A scheduler's SIGTERM likewise.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    store = Store(store_path)
    claims = store.claims()
    with contextlib.suppress(EOFError, ConnectionResetError, BrokenPipeError):
        memory.hold_to(memory_bytes)
        while True:
            serve(pipe.recv(), store, claims, pipe.send)


def serve(tasks: Sequence[Task], store: Store, claims: Claims, send: Callable[[Report], None]) -> None:
    """Compute the points of one message, keep each, and `send` what became of it."""
    unchanged = Unchanged()
    for task in tasks:
        send(_serve(task, store, claims, unchanged))


def _serve(task: Task, store: Store, claims: Claims, unchanged: Unchanged) -> Report:
    if not claims.take(task.point_id):
        return Report(task.point_id, ELSEWHERE)
    try:
        if store.has(task.point_id):
            return Report(task.point_id, SKIPPED)
        return _keep(run_point(task, unchanged), store)
    finally:
        claims.release(task.point_id)


def _keep(record: PointRecord, store: Store) -> Report:
    try:
        store.write(record)
    except OSError as error:
        return Report(record.point_id, CANNOT_WRITE, text=str(store.cannot_write(error)))
    except MemoryError:
        return Report(record.point_id, FAILED, text="its result needs more memory (--memory)")
    outcome = FINISHED if record.status == "finished" else FAILED
    return Report(record.point_id, outcome, record.wall_s, record.error or "", memory.resident_bytes())
