"""What runs in a worker: points off a pipe, records into the store."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from moe_cosim.sim.sweep.pool import memory
from moe_cosim.sim.sweep.pool.keeper import Keeper
from moe_cosim.sim.sweep.pool.messages import ELSEWHERE, SKIPPED, Report, Task
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
    with Keeper(store, claims, pipe.send) as keeper, contextlib.suppress(EOFError, ConnectionResetError):
        memory.hold_to(memory_bytes)
        while True:
            serve(pipe.recv(), store, claims, keeper)


def serve(tasks: Sequence[Task], store: Store, claims: Claims, keeper: Keeper) -> None:
    """Compute the points of one message, and have them kept."""
    unchanged = Unchanged()
    for task in tasks:
        keeper.put(_compute(task, store, claims, unchanged))


def _compute(task: Task, store: Store, claims: Claims, unchanged: Unchanged) -> PointRecord | Report:
    """The point's record, its claim still held; or why there is none."""
    if not claims.take(task.point_id):
        return Report(task.point_id, ELSEWHERE)
    if store.has(task.point_id):
        claims.release(task.point_id)
        return Report(task.point_id, SKIPPED)
    return run_point(task, unchanged)
