"""The pool of a sweep: its workers write into a store, and are held to a budget of memory."""

from __future__ import annotations

from contextlib import suppress

from moe_cosim.sim.sweep.pool.messages import FAILED, Report, Task
from moe_cosim.sim.sweep.pool.worker import work
from moe_cosim.sim.sweep.store.store import Store
from moe_cosim.sim.worker_pool import WorkerPool
from moe_cosim.whole_file import remove_left_aside


class Pool(WorkerPool[Task, Report]):
    """A worker whose resident memory exceeds half its budget after a point is replaced."""

    def __init__(self, store: Store, workers: int, memory_bytes: int) -> None:
        self._store, self._memory_bytes = store, memory_bytes
        super().__init__(workers, work, (store.path.resolve(), memory_bytes), "moe_cosim.sim.sweep.pool.warm")

    def name(self, task: Task) -> str:
        return task.point_id

    def group(self, task: Task) -> int:
        return task.group

    def given_up(self, task: Task, reason: str) -> Report:
        return Report(task.point_id, FAILED, text=reason)

    def seconds(self, answer: Report) -> float:
        return answer.wall_s

    def outgrown(self, answer: Report) -> bool:
        return answer.resident_bytes > self._memory_bytes // 2

    def died(self, pid: int) -> None:
        self._remove_left({pid})

    def close(self) -> None:
        """End every worker at once, and remove what they left unfinished."""
        super().close()
        self._remove_left(self.pids)

    def _remove_left(self, pids: set[int]) -> None:
        with suppress(OSError):  # a store that cannot be written keeps them
            remove_left_aside(self._store.path / "aside", pids)
