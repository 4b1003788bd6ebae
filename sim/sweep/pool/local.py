"""A plan's points on this machine: what is missing is computed, what fails is listed, the rest goes on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from moe_cosim.errors import InputError, RunError
from moe_cosim.sim.dealing import dealing_order
from moe_cosim.sim.sweep.identity.files import check_files
from moe_cosim.sim.sweep.identity.point import Identities
from moe_cosim.sim.sweep.identity.sources import check_sources
from moe_cosim.sim.sweep.plan.plan import Point, SweepPlan
from moe_cosim.sim.sweep.pool import memory, messages
from moe_cosim.sim.sweep.pool.messages import ELSEWHERE, Report, Task
from moe_cosim.sim.sweep.pool.one_point import record_of
from moe_cosim.sim.sweep.pool.pool import Pool
from moe_cosim.sim.sweep.pool.stopping import StopRequestedError, stop_on_signals
from moe_cosim.sim.sweep.store.store import Store

_RATE_OVER: Final = 200
"""Points: the rate shown is that of the last so many."""

_LOOK_AGAIN_S: Final = 0.5
"""Between two looks at points that another process computes."""


@dataclass
class SweepOutcome:
    """What a call of `run_points` came to."""

    wanted: int
    finished: int = 0
    """Computed now."""
    skipped: int = 0
    """In the store already, some thanks to another process."""
    failures: dict[str, str] = field(default_factory=dict)
    """Point to its one line."""
    damaged: list[str] = field(default_factory=list)
    """Points that were in the store with a wrong checksum, and were computed again."""
    stopped_by: int | None = None
    """The signal that stopped it."""
    wall_s: float = 0.0

    @property
    def done(self) -> int:
        """Points that need nothing more: finished now or before, or failed."""
        return self.finished + self.skipped + len(self.failures)

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)


@dataclass(frozen=True)
class Pace:
    """For a progress display."""

    done: int
    wanted: int
    failed: int
    per_s: float | None
    left_s: float | None


Watch = Callable[[Pace], None]


def run_points(
    store: Store,
    plan: SweepPlan,
    ids: Sequence[str] | None = None,
    workers: int = 1,
    memory_bytes: int | None = None,
    watch: Watch | None = None,
    stop: Callable[[], bool] | None = None,
) -> SweepOutcome:
    """Compute the points `ids` of `plan` (default: all) that the store lacks; failed ones again.

    Each of the `workers` processes may take `memory_bytes` (default: an equal part of what is free).
    SIGINT and SIGTERM stop it: points in hand are dropped, all others are kept, and
    `SweepOutcome.stopped_by` says so. `stop` is asked before a point is begun; once it is true none is,
    those in hand end and are kept, and this returns. Raises `RunError` where the store cannot be written or has lost
    what was written, `InputError` where the plan was made by other code or with other files.
    """
    started = time.monotonic()
    check_sources(plan.sources, f"sweep {plan.name}")
    check_files(plan.files)
    points = {point.id: point for point in plan.points}
    wanted = list(points) if ids is None else [each for each in dict.fromkeys(ids) if _known(each, points)]
    outcome = SweepOutcome(len(wanted))
    outcome.damaged = store.set_damaged_aside(wanted)
    present = store.finished_ids()
    missing = [points[each] for each in wanted if each not in present]
    outcome.skipped = outcome.wanted - len(missing)
    pool = Pool(store, workers, memory_bytes or memory.bytes_per_worker(workers))
    try:
        with stop_on_signals():
            try:
                _run_all(pool, store, plan, missing, outcome, watch, stop)
            finally:
                pool.close()
    except StopRequestedError as stop:
        outcome.stopped_by = stop.signal_number
    outcome.wall_s = time.monotonic() - started
    _check_kept(store, wanted, outcome)
    return outcome


def _run_all(
    pool: Pool,
    store: Store,
    plan: SweepPlan,
    points: Sequence[Point],
    outcome: SweepOutcome,
    watch: Watch | None,
    stop: Callable[[], bool] | None,
) -> None:
    times: deque[float] = deque(maxlen=_RATE_OVER + 1)
    tasks: Iterable[Task] = tasks_of(plan, points)
    while True:
        elsewhere: list[Task] = []
        tasks = list(tasks)
        by_id = {task.point_id: task for task in tasks}
        for report in pool.run(tasks, stop):
            if report.outcome == ELSEWHERE:
                elsewhere.append(by_id[report.point_id])
                continue
            _note(report, by_id[report.point_id], store, outcome)
            times.append(time.monotonic())
            if watch is not None:
                watch(_pace(outcome, times))
        if not elsewhere or (stop is not None and stop()):
            return
        time.sleep(_LOOK_AGAIN_S)
        tasks = elsewhere


def _note(report: Report, task: Task, store: Store, outcome: SweepOutcome) -> None:
    match report.outcome:
        case messages.FINISHED:
            outcome.finished += 1
        case messages.SKIPPED:
            outcome.skipped += 1
        case messages.FAILED:
            outcome.failures[report.point_id] = report.text
            if report.resident_bytes == 0:  # no worker was left to write it down
                _write_death(store, task, report)
        case messages.CANNOT_WRITE:
            raise RunError(report.text)


def _check_kept(store: Store, wanted: Sequence[str], outcome: SweepOutcome) -> None:
    """What counts as computed is in the store still: files may go while a sweep runs."""
    lost = outcome.finished + outcome.skipped - len(store.finished_ids().intersection(wanted))
    if lost > 0:
        found = f"{lost:,} of {outcome.finished + outcome.skipped:,} points are no longer there"
        raise RunError(f"{store.path}: {found}: something removed them while the sweep ran; run it again")


def _write_death(store: Store, task: Task, report: Report) -> None:
    try:
        store.write(record_of(task, 0.0, None, report.text))
    except OSError as error:
        raise store.cannot_write(error) from None


def tasks_of(plan: SweepPlan, points: Sequence[Point]) -> list[Task]:
    """What workers are told of these points, in the order in which they are dealt."""
    identities = Identities()
    experiments = [plan.experiment(point) for point in points]
    tasks = []
    for index, group in dealing_order(experiments):
        identity = plan.identities.get(points[index].id) or identities.of(experiments[index])
        tasks.append(Task(points[index].id, experiments[index], identity.files, identity.sources, group))
    return tasks


def _pace(outcome: SweepOutcome, times: deque[float]) -> Pace:
    passed = times[-1] - times[0]
    per_s = (len(times) - 1) / passed if passed > 0 else None
    left_s = (outcome.wanted - outcome.done) / per_s if per_s else None
    return Pace(outcome.done, outcome.wanted, len(outcome.failures), per_s, left_s)


def _known(point_id: str, points: dict[str, Point]) -> bool:
    if point_id not in points:
        raise InputError("points", "id", point_id, "points of the plan")
    return True
