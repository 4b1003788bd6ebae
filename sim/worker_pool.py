"""Warm worker processes that may die at any moment without taking a task along."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import connection, get_context
from multiprocessing.context import ForkServerProcess
from typing import Any, Final, Generic, TypeVar

from moe_cosim.errors import RunError
from moe_cosim.sim.dealing import Waiting

T = TypeVar("T")
A = TypeVar("A")

DEATHS_ALLOWED: Final = 3
"""A task that was running when this many workers died is the reason, and fails."""

STILLBORN_ALLOWED: Final = 20
"""Workers that die one after the other with no task done in between: then it is not the tasks."""

SHORT_S: Final = 0.5
"""Of tasks shorter than this a worker has several in hand: one runs, others wait in the pipe, and no worker
waits for the pool. Of longer ones none waits behind another."""

_AHEAD_S: Final = 0.2
"""So much work at once for short tasks: a message costs as much as a tenth of the shortest."""
_FEWEST_SHORT: Final = 3
_MOST_SHORT: Final = 64


@dataclass
class _Worker(Generic[T]):
    process: ForkServerProcess
    pipe: connection.Connection
    tasks: deque[T] = field(default_factory=deque)
    """Sent and not answered, the running one first."""
    group: Hashable = field(default_factory=object)
    """Of the task it got last; of none before."""
    retired: bool = False
    """Gets no more tasks: a fresh one takes its place."""


class WorkerPool(ABC, Generic[T, A]):
    """`number` processes; `run` yields an answer for each task, in whatever order they end.

    A subclass says what a worker runs: a function that takes lists of tasks off a pipe and sends one answer
    for each task, in order, until the pipe closes. Leave with `close`; until then workers stay warm.
    """

    def __init__(self, number: int, serve: Callable[..., None], arguments: tuple[Any, ...], preload: str) -> None:
        """`serve(pipe, *arguments)`; the module `preload` is imported before workers are forked."""
        self._number, self._serve, self._arguments = number, serve, arguments
        self._context = get_context("forkserver")  # clean and warm workers, whatever threads the caller has
        self._context.set_forkserver_preload([preload])
        self._workers: list[_Worker[T]] = []
        self._deaths: dict[str, int] = {}
        self._deaths_in_a_row = 0
        self._ahead = 1
        """How many tasks a worker has in hand at most."""
        self.pids: set[int] = set()
        """Of every worker there was."""

    @abstractmethod
    def name(self, task: T) -> str:
        """What tells the task from all others."""

    @abstractmethod
    def given_up(self, task: T, reason: str) -> A:
        """The answer for a task of which `DEATHS_ALLOWED` workers died."""

    @abstractmethod
    def seconds(self, answer: A) -> float:
        """How long the task took."""

    def group(self, task: T) -> Hashable:
        """Tasks of one group share what a worker has made: they go to one, where that leaves none idle."""
        return None

    def outgrown(self, answer: A) -> bool:
        """Whether the worker that gave this answer is to be replaced."""
        return False

    def died(self, pid: int) -> None:
        """Clean up behind a worker."""

    def run(self, tasks: Iterable[T], stop: Callable[[], bool] | None = None) -> Iterator[A]:
        """Once `stop()` is true no further task is handed out, and this ends with those in hand."""
        waiting = Waiting(tasks, self.group)
        while waiting or any(worker.tasks for worker in self._workers):
            if stop is not None and stop():
                waiting.clear()
                if not any(worker.tasks for worker in self._workers):
                    return  # nothing in hand: there would be no answer to wait for
            self._hand_out(waiting)
            for worker in self._ready():
                try:
                    answer: A = worker.pipe.recv()
                except (EOFError, OSError):
                    yield from self._bury(worker, waiting)
                    continue
                worker.tasks.popleft()
                self._deaths_in_a_row = 0
                self._ahead = _ahead(self.seconds(answer))
                worker.retired = worker.retired or self.outgrown(answer)
                yield answer

    def close(self) -> None:
        """End every worker at once."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()

    def _hand_out(self, waiting: Waiting[T]) -> None:
        for worker in [each for each in self._workers if each.retired and not each.tasks]:
            self._dismiss(worker)
        active = [worker for worker in self._workers if not worker.retired]
        while waiting and len(active) < min(self._number, len(waiting) + sum(len(each.tasks) for each in active)):
            active.append(self._start())
        for worker in sorted(active, key=lambda each: len(each.tasks)):
            fair = len(waiting) // (2 * len(active))  # towards the end nobody gets what others could do
            most = min(self._ahead, max(fair, _FEWEST_SHORT))
            if waiting and len(worker.tasks) <= most // 2:
                number = min(most - len(worker.tasks), len(waiting))
                tasks = [self._next(waiting, worker) for _ in range(number)]
                worker.tasks.extend(tasks)
                with suppress(BrokenPipeError, ConnectionResetError):  # it has died: `_ready` will say
                    worker.pipe.send(tasks)

    def _next(self, waiting: Waiting[T], worker: _Worker[T]) -> T:
        task = waiting.take(worker.group, {each.group for each in self._workers if each is not worker})
        worker.group = self.group(task)
        return task

    def _ready(self) -> list[_Worker[T]]:
        busy = {worker.pipe: worker for worker in self._workers if worker.tasks}
        return [busy[pipe] for pipe in connection.wait(list(busy)) if isinstance(pipe, connection.Connection)]

    def _start(self) -> _Worker[T]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=self._serve, args=(theirs, *self._arguments), daemon=True)
        process.start()
        theirs.close()
        worker: _Worker[T] = _Worker(process, ours)
        self._workers.append(worker)
        if process.pid is not None:
            self.pids.add(process.pid)
        return worker

    def _dismiss(self, worker: _Worker[T]) -> None:
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()

    def _bury(self, worker: _Worker[T], waiting: Waiting[T]) -> Iterator[A]:
        """Its tasks go back to the front; the one it ran counts a death."""
        self._dismiss(worker)
        if worker.process.pid is not None:
            self.died(worker.process.pid)
        self._deaths_in_a_row += 1
        if self._deaths_in_a_row > STILLBORN_ALLOWED:
            raise RunError(f"workers die as they start ({_ending(worker)}); is there memory for {self._number}?")
        running, *queued = worker.tasks
        waiting.put_first(queued)
        name = self.name(running)
        self._deaths[name] = self._deaths.get(name, 0) + 1
        if self._deaths[name] < DEATHS_ALLOWED:
            waiting.put_last(running)
            return
        yield self.given_up(running, f"{DEATHS_ALLOWED} workers died of it ({_ending(worker)})")


def _ahead(seconds: float) -> int:
    """How many tasks of this length a worker is to have in hand."""
    if seconds >= SHORT_S:
        return 1
    return max(_FEWEST_SHORT, min(_MOST_SHORT, int(_AHEAD_S / max(seconds, 1e-6))))


def _ending(worker: _Worker[T]) -> str:
    code = worker.process.exitcode
    return f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
