"""Warm worker processes that may die at any moment without taking a point along."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import connection, get_context
from multiprocessing.context import ForkServerProcess
from typing import Final

from moe_cosim.errors import RunError
from moe_cosim.sim.sweep.pool.messages import FAILED, Report, Task
from moe_cosim.sim.sweep.pool.worker import work
from moe_cosim.sim.sweep.store.store import Store
from moe_cosim.whole_file import remove_left_aside

DEATHS_ALLOWED: Final = 3
"""A point that was running when this many workers died is the reason, and fails."""

STILLBORN_ALLOWED: Final = 20
"""Workers that die one after the other with no point done in between: then it is not the points."""

SHORT_S: Final = 0.5
"""Points shorter than this go to a worker three at a time: one is written, one runs, the next waits in
the pipe, and no worker waits for the sweep. Of longer ones none waits behind another."""

_SHORT_IN_HAND: Final = 3


@dataclass
class _Worker:
    process: ForkServerProcess
    pipe: connection.Connection
    tasks: deque[Task] = field(default_factory=deque)
    """Sent and not answered, the running one first."""
    retired: bool = False
    """Gets no more points: it has grown, and a fresh one takes its place."""


class Pool:
    """`workers` processes; `run` yields a `Report` for each task, in whatever order they end.

    A worker whose resident memory exceeds half its budget after a point is replaced. Leave with
    `close`; until then workers stay warm.
    """

    def __init__(self, store: Store, workers: int, memory_bytes: int) -> None:
        self._store, self._number, self._memory_bytes = store, workers, memory_bytes
        self._context = get_context("forkserver")  # clean and warm workers, whatever threads the caller has
        self._context.set_forkserver_preload(["moe_cosim.sim.sweep.pool.warm"])
        self._workers: list[_Worker] = []
        self._deaths: dict[str, int] = {}
        self._deaths_in_a_row = 0
        self._short = False
        self.pids: set[int] = set()
        """Of every worker there was."""

    def run(self, tasks: Iterable[Task], stop: Callable[[], bool] | None = None) -> Iterator[Report]:
        """Once `stop()` is true no further task is handed out, and this ends with those in hand."""
        waiting = deque(tasks)
        while waiting or any(worker.tasks for worker in self._workers):
            if stop is not None and stop():
                waiting.clear()
                if not any(worker.tasks for worker in self._workers):
                    return  # nothing in hand: there would be no answer to wait for
            self._hand_out(waiting)
            for worker in self._ready():
                try:
                    report: Report = worker.pipe.recv()
                except (EOFError, OSError):
                    yield from self._bury(worker, waiting)
                    continue
                worker.tasks.popleft()
                self._deaths_in_a_row = 0
                self._short = report.wall_s < SHORT_S
                worker.retired = worker.retired or report.resident_bytes > self._memory_bytes // 2
                yield report

    def close(self) -> None:
        """End every worker at once, and remove what they left unfinished."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()
        with suppress(OSError):  # a store that cannot be written keeps them
            remove_left_aside(self._store.path / "aside", self.pids)

    def _hand_out(self, waiting: deque[Task]) -> None:
        for worker in [each for each in self._workers if each.retired and not each.tasks]:
            self._dismiss(worker)
        active = [worker for worker in self._workers if not worker.retired]
        while waiting and len(active) < min(self._number, len(waiting) + sum(len(each.tasks) for each in active)):
            active.append(self._start())
        for depth in range(_SHORT_IN_HAND if self._short else 1):
            for worker in active:
                if waiting and len(worker.tasks) == depth:
                    task = waiting.popleft()
                    worker.tasks.append(task)
                    with suppress(BrokenPipeError, ConnectionResetError):  # it has died: `_ready` will say
                        worker.pipe.send(task)

    def _ready(self) -> list[_Worker]:
        busy = {worker.pipe: worker for worker in self._workers if worker.tasks}
        return [busy[pipe] for pipe in connection.wait(list(busy)) if isinstance(pipe, connection.Connection)]

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        arguments = (theirs, self._store.path.resolve(), self._memory_bytes)
        process = self._context.Process(target=work, args=arguments, daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        if process.pid is not None:
            self.pids.add(process.pid)
        return worker

    def _dismiss(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()

    def _bury(self, worker: _Worker, waiting: deque[Task]) -> Iterator[Report]:
        """Its points go back to the front; the one it ran counts a death."""
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        if worker.process.pid is not None:
            with suppress(OSError):
                remove_left_aside(self._store.path / "aside", {worker.process.pid})
        self._deaths_in_a_row += 1
        if self._deaths_in_a_row > STILLBORN_ALLOWED:
            raise RunError(f"workers die as they start ({_ending(worker)}); is there memory for {self._number}?")
        running, *queued = worker.tasks
        waiting.extendleft(reversed(queued))
        self._deaths[running.point_id] = self._deaths.get(running.point_id, 0) + 1
        if self._deaths[running.point_id] < DEATHS_ALLOWED:
            waiting.append(running)
            return
        text = f"{DEATHS_ALLOWED} workers died of it ({_ending(worker)})"
        yield Report(running.point_id, FAILED, text=text)


def _ending(worker: _Worker) -> str:
    code = worker.process.exitcode
    return f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
