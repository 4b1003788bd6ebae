"""What an element of an array does on its node: its points, until they are done or its time is."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Final

from moe_cosim.errors import RunError
from moe_cosim.quantity import format_quantity
from moe_cosim.sim.batch.base import Scheduler
from moe_cosim.sim.batch.site import Site
from moe_cosim.sim.batch.status import scheduler_of
from moe_cosim.sim.batch.submission import Submission, SubmissionRecord
from moe_cosim.sim.batch.usage import UsageMeter
from moe_cosim.sim.sweep.identity.sources import check_sources
from moe_cosim.sim.sweep.pool.local import run_points
from moe_cosim.sim.sweep.pool.memory import bytes_per_worker
from moe_cosim.sim.sweep.store.store import Store

COME_BACK: Final = 75
"""Exit status of an element that stopped with points left (EX_TEMPFAIL in sysexits.h)."""


class StopRequest:
    """Set by SIGUSR1 (the time limit is near) or by the clock: finish the points in hand, begin no more.

    SIGTERM is not for it: that is a cancellation or a preemption, and `run_points` stops at once.
    """

    def __init__(self) -> None:
        self.reason: str | None = None

    def asked(self) -> bool:
        """Whether no more points should be begun."""
        return self.reason is not None

    @contextlib.contextmanager
    def listening(self, deadline_s: float | None) -> Iterator[None]:
        """Listen to the signal; past `deadline_s` from now, stop as well."""
        # LSF and Flux signal the whole process group: workers are to finish, so they inherit "ignored"
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        warm_up()
        signal.signal(signal.SIGUSR1, lambda number, frame: self._stop("SIGUSR1"))
        clock = threading.Timer(deadline_s, self._stop, ("clock",)) if deadline_s is not None else None
        if clock is not None:
            clock.daemon = True
            clock.start()
        try:
            yield
        finally:
            if clock is not None:
                clock.cancel()

    def _stop(self, reason: str) -> None:
        self.reason = self.reason or reason


def warm_up() -> None:
    """Start the process that workers are forked from."""
    get_context("forkserver").set_forkserver_preload(["moe_cosim.sim.sweep.pool.warm"])
    forkserver.ensure_running()


def work(folder: Path, index: int, environ: Mapping[str, str] = os.environ) -> int:
    """Compute the points of element `index` that are not in the store; the exit status of the element.

    0: all are there. 1: some failed. `COME_BACK`: stopped with points left, or the scheduler's own status for
    "run me again". 128 + signal: stopped by SIGTERM or SIGINT.
    """
    submission = Submission(folder.resolve())
    record = submission.record()
    ids = submission.element_points(index)
    scheduler = scheduler_of(record, submission.folder)
    store = Store.open(submission.store_path)
    plan = store.plan(record.plan_id)
    workers = 1 if record.ranks > 1 else _workers(scheduler.cores(environ), record, len(ids))
    deadline_s = None if scheduler.warns or record.time_s is None else float(record.time_s - record.warning_s)
    request = StopRequest()
    _say(f"element {index} of {record.elements}: {len(ids)} points, {workers} workers, {socket.gethostname()}")
    check_sources(plan.sources, f"sweep {plan.name}")  # it takes a second, and the clock of short limits runs
    meter = UsageMeter(submission, index)
    with request.listening(deadline_s), meter.running():
        outcome = run_points(store, plan, ids, workers=workers, stop=request.asked)
    for point, failure in outcome.failures.items():
        _say(f"point {point} failed: {failure}")
    left = outcome.wanted - outcome.finished - outcome.skipped
    asked = "" if record.memory_bytes is None else f" ({format_quantity(record.memory_bytes, 'bytes')} estimated)"
    _say(f"peak memory {format_quantity(meter.peak_bytes, 'bytes')}{asked}")
    _say(f"{outcome.finished} finished, {outcome.skipped} were there, {len(outcome.failures)} failed, {left} left")
    if left == 0:
        return 0
    if outcome.stopped_by is not None:
        _say(f"stopped by {signal.Signals(outcome.stopped_by).name}")
        return 128 + outcome.stopped_by
    if not request.asked():
        return 1
    _say(f"stopped by {request.reason}")
    # one that gets nothing done would be requeued for ever
    return _again(scheduler, environ) if outcome.finished else COME_BACK


def _workers(cores: int, record: SubmissionRecord, points: int) -> int:
    """One for each core, where there is memory and work for so many."""
    fitting = cores if record.point_bytes is None else max(1, bytes_per_worker(1) // record.point_bytes)
    return min(cores, fitting, points)


def _again(scheduler: Scheduler[Site], environ: Mapping[str, str]) -> int:
    command = scheduler.requeue(environ)
    if command is None and not scheduler.requeue_exit_code:
        _say("this scheduler requeues nothing: 'moe-cosim sweep resume' submits the rest")
        return COME_BACK
    _say("to be requeued")
    if command is None:
        return scheduler.requeue_exit_code
    # whom the scheduler requeues it ends: not this process before it has said how it went
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        scheduler.run_command.checked(command.argv)
    except RunError as error:  # in a container its programs may not be there
        _say(f"not requeued ({error}): 'moe-cosim sweep resume' submits the rest")
    return COME_BACK


def _say(text: str) -> None:
    """A line of the element's log."""
    sys.stdout.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")
    sys.stdout.flush()
