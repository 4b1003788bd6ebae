"""Many experiments, several side by side, each to its numbers alone."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from moe_cosim.errors import RunError
from moe_cosim.experiment import Experiment
from moe_cosim.sim.dealing import dealing_order
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run
from moe_cosim.sim.worker_pool import WorkerPool

Counted = Callable[[int, int], None]
"""Told how many are done, and of how many."""


def run_many(
    experiments: Sequence[Experiment], workers: int, progress: Counted | None
) -> Generator[tuple[int, Result | Exception], None, None]:
    """The index of each and what it came to, or what it raised (`RunError` where workers died of it), as they end.

    Close it to leave early.
    """
    tasks = [_Task(index, experiments[index], group) for index, group in dealing_order(experiments)]
    side_by_side = min(workers, len(tasks))
    pool = _Pool(side_by_side) if side_by_side > 1 else None
    try:
        for done, answer in enumerate(map(_answer, tasks) if pool is None else pool.run(tasks), 1):
            yield answer.index, answer.found
            if progress is not None:
                progress(done, len(tasks))
    finally:
        if pool is not None:
            pool.close()


def results_of(experiments: Sequence[Experiment], workers: int, progress: Counted | None) -> list[Result]:
    """What each came to; raises what the first to fail raised."""
    found: dict[int, Result] = {}
    with closing(run_many(experiments, workers, progress)) as answers:
        for index, answer in answers:
            if isinstance(answer, Exception):
                raise answer
            found[index] = answer
    return [found[index] for index in range(len(experiments))]


@dataclass(frozen=True)
class _Task:
    index: int
    experiment: Experiment
    group: int


@dataclass(frozen=True)
class _Answer:
    index: int
    found: Result | Exception
    wall_s: float = 0.0


class _Pool(WorkerPool[_Task, _Answer]):
    def __init__(self, workers: int) -> None:
        super().__init__(workers, _serve, (), "moe_cosim.sim.sweep.pool.warm")

    def name(self, task: _Task) -> str:
        return str(task.index)

    def group(self, task: _Task) -> int:
        return task.group

    def given_up(self, task: _Task, reason: str) -> _Answer:
        said = f"{task.experiment.name}: {reason}: out of memory, perhaps (fewer --workers need less)"
        return _Answer(task.index, RunError(said))

    def seconds(self, answer: _Answer) -> float:
        return answer.wall_s


def _serve(pipe: Connection) -> None:
    """What a worker runs, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the workers too; the command ends them
    with suppress(EOFError, OSError):
        while True:
            for task in pipe.recv():
                pipe.send(_answer(task))


def _answer(task: _Task) -> _Answer:
    started = time.perf_counter()
    try:
        found: Result | Exception = run(task.experiment, keep=())
    except Exception as error:  # whoever asked raises it again, or says it
        found = error
    return _Answer(task.index, found, time.perf_counter() - started)
