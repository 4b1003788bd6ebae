"""Tasks in the hands of workers: short ones several at a time and in order, long ones alone, none left behind."""

import time
from multiprocessing.connection import Connection

import pytest

from moe_cosim.sim.worker_pool import WorkerPool

Answer = tuple[int, int, float]
"""Task, how many came with its message, how long it says that it took."""


def serve(pipe: Connection, seconds: float) -> None:
    try:
        while True:
            tasks = pipe.recv()
            for task in tasks:
                time.sleep(0.001)
                pipe.send((task, len(tasks), seconds))
    except (EOFError, OSError):
        return


class CountingPool(WorkerPool[int, Answer]):
    def __init__(self, workers: int, seconds: float) -> None:
        # all pools of a process fork from one server: what the first of them has it load
        super().__init__(workers, serve, (seconds,), "moe_cosim.sim.sweep.pool.warm")

    def name(self, task: int) -> str:
        return str(task)

    def given_up(self, task: int, reason: str) -> Answer:
        raise AssertionError(reason)

    def seconds(self, answer: Answer) -> float:
        return answer[2]


@pytest.mark.parametrize(("seconds", "most"), [(1.0, 1), (0.1, 3), (0.02, 10), (0.0, 64)])
def test_short_tasks_go_together_and_each_is_answered_once(seconds: float, most: int) -> None:
    pool = CountingPool(2, seconds)
    try:
        answers = list(pool.run(range(300)))
    finally:
        pool.close()
    assert sorted(task for task, _, _ in answers) == list(range(300))
    together = [number for _, number, _ in answers]
    assert max(together) <= most
    assert most == 1 or max(together) > 1
    assert max(number for task, number, _ in answers if task >= 290) <= 4  # the last are left for both
