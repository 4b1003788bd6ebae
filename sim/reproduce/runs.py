"""The runs of a reproduction, several side by side."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from moe_cosim.errors import RunError
from moe_cosim.experiment import load_experiment
from moe_cosim.sim.dealing import dealing_order
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run
from moe_cosim.sim.worker_pool import WorkerPool

Settings = Mapping[str, Any]
RunKey = tuple[str, tuple[tuple[str, Any], ...]]
"""(shipped experiment, settings): what identifies a run."""


def key(experiment: str, settings: Settings) -> RunKey:
    return experiment, tuple(sorted(settings.items()))


def run_each(
    wanted: Sequence[RunKey], workers: int, progress: Callable[[float], None] | None
) -> Generator[tuple[RunKey, Result | Exception], None, None]:
    """What every run came to, or what it raised (`RunError` where workers died of it), as they end.

    Close it to leave early. Raises `InputError` for an experiment that cannot be read.
    """
    dealt = dealing_order([load_experiment(name, dict(chosen)) for name, chosen in wanted])
    order = {wanted[index]: group for index, group in dealt}
    side_by_side = min(workers, len(order))
    pool = _Pool(side_by_side, order) if side_by_side > 1 else None
    try:
        for done, answer in enumerate(map(_answer, order) if pool is None else pool.run(order), 1):
            yield answer.run, answer.found
            if progress is not None:
                progress(done / len(order))
    finally:
        if pool is not None:
            pool.close()


def run_all(wanted: Sequence[RunKey], workers: int, progress: Callable[[float], None] | None) -> dict[RunKey, Result]:
    """As `run_each`, all of them; raises what the first to fail raised."""
    results: dict[RunKey, Result] = {}
    with closing(run_each(wanted, workers, progress)) as answers:
        for run_key, found in answers:
            if isinstance(found, Exception):
                raise found
            results[run_key] = found
    return results


@dataclass(frozen=True)
class _Answer:
    run: RunKey
    found: Result | Exception
    wall_s: float = 0.0


class _Pool(WorkerPool[RunKey, _Answer]):
    def __init__(self, workers: int, groups: Mapping[RunKey, int]) -> None:
        self._groups = groups
        super().__init__(workers, _serve, (), "moe_cosim.sim.sweep.pool.warm")

    def name(self, task: RunKey) -> str:
        return repr(task)

    def group(self, task: RunKey) -> int:
        return self._groups[task]

    def given_up(self, task: RunKey, reason: str) -> _Answer:
        return _Answer(task, RunError(f"{task[0]}: {reason}: out of memory, perhaps (fewer --workers need less)"))

    def seconds(self, answer: _Answer) -> float:
        return answer.wall_s


def _serve(pipe: Connection) -> None:
    """What a worker runs, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the workers too; the command ends them
    with suppress(EOFError, OSError):
        while True:
            for run_key in pipe.recv():
                pipe.send(_answer(run_key))


def _answer(run_key: RunKey) -> _Answer:
    started = time.perf_counter()
    experiment, settings = run_key
    try:
        found: Result | Exception = run(experiment, dict(settings), keep=())
    except Exception as error:  # raised again by the command
        found = error
    return _Answer(run_key, found, time.perf_counter() - started)
