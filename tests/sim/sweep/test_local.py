import os
import signal
import threading
import time
from pathlib import Path

import pytest

from moe_cosim.errors import InputError, RunError
from moe_cosim.sim.sweep.plan.plan import SweepPlan, plan_sweep
from moe_cosim.sim.sweep.pool import memory, one_point
from moe_cosim.sim.sweep.pool.local import Pace, run_points, tasks_of
from moe_cosim.sim.sweep.pool.messages import Report
from moe_cosim.sim.sweep.pool.pool import Pool
from moe_cosim.sim.sweep.store.store import Store
from tests.sim.sweep.conftest import WriteSweep
from tests.sim.sweep.same import contents, left_aside


def test_results_are_those_of_a_run_alone(computed: tuple[Store, SweepPlan]) -> None:
    store, plan = computed
    for task in tasks_of(plan, plan.points[:2]):
        alone = one_point.run_point(task)
        record = store.record(task.point_id)
        assert record is not None
        assert record.repeatable() == alone.repeatable()


def test_the_number_of_workers_changes_nothing(write_sweep: WriteSweep, tmp_path: Path) -> None:
    plan = plan_sweep(write_sweep(seeds=6))
    stores = [Store.create(tmp_path / f"workers-{number}") for number in (1, 3)]
    for store, number in zip(stores, (1, 3), strict=True):
        assert run_points(store, plan, workers=number).finished == 6
    assert contents(stores[0]) == contents(stores[1])
    assert all(left_aside(store) == [] for store in stores)


def test_failures_are_listed_and_the_rest_continues(computed: tuple[Store, SweepPlan]) -> None:
    store, plan = computed
    progress = store.progress(plan)
    assert [len(progress.finished), len(progress.failed)] == [8, 2]


def test_points_of_another_sweep_are_not_computed_again(write_sweep: WriteSweep, tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    assert run_points(store, plan_sweep(write_sweep("one", seeds=3))).finished == 3
    again = run_points(store, plan_sweep(write_sweep("two", grid={"workload.batch": [1, 2]}, seeds=3)))
    assert (again.finished, again.skipped) == (3, 3)


def test_points_that_went_while_it_ran_are_not_called_finished(write_sweep: WriteSweep, tmp_path: Path) -> None:
    plan = plan_sweep(write_sweep(seeds=4))
    store = Store.create(tmp_path / "store")

    def remove(pace: Pace) -> None:
        if pace.done == 3:
            for path in (store.path / "points").rglob("*.gz"):
                path.unlink()

    with pytest.raises(RunError, match=r"[34] of 4 points are no longer there"):
        run_points(store, plan, watch=remove)
    assert run_points(store, plan).done == 4


def test_chosen_points_only(write_sweep: WriteSweep, tmp_path: Path) -> None:
    plan = plan_sweep(write_sweep(seeds=4))
    store = Store.create(tmp_path / "store")
    chosen = [plan.points[2].id, plan.points[0].id]
    assert run_points(store, plan, chosen).finished == 2
    assert store.finished_ids() == set(chosen)
    with pytest.raises(InputError, match="points of the plan"):
        run_points(store, plan, ["f" * 32])


def test_stop_ends_after_the_points_in_hand(write_sweep: WriteSweep, tmp_path: Path) -> None:
    plan = plan_sweep(write_sweep(seeds=100))
    store = Store.create(tmp_path / "store")
    done: list[Pace] = []
    outcome = run_points(store, plan, watch=done.append, stop=lambda: len(done) >= 3)
    assert outcome.stopped_by is None
    assert 3 <= outcome.finished < 80
    assert len(store.finished_ids()) == outcome.finished
    assert done[-1].done == outcome.finished


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(write_sweep: WriteSweep, tmp_path: Path, number: signal.Signals) -> None:
    plan = plan_sweep(write_sweep(seeds=200))
    store = Store.create(tmp_path / "store")

    def interrupt(pace: Pace) -> None:
        if pace.done == 3:
            os.kill(os.getpid(), number)

    outcome = run_points(store, plan, workers=2, watch=interrupt)
    assert outcome.stopped_by == number
    assert 3 <= outcome.finished < 200
    assert outcome.finished <= len(contents(store)) <= outcome.finished + 4
    assert left_aside(store) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_memory_beyond_the_bound_fails_the_point_alone(write_sweep: WriteSweep, tmp_path: Path) -> None:
    grid = {"workload.prompt_tokens": [1, 2_000_000], "seed": [0, 1]}
    plan = plan_sweep(write_sweep(grid=grid))
    store = Store.create(tmp_path / "store")
    outcome = run_points(store, plan, workers=2, memory_bytes=64 * 2**20)
    assert outcome.finished == 2
    assert sorted(outcome.failures) == sorted(point.id for point in plan.points[2:])
    assert all("memory" in line or "died" in line for line in outcome.failures.values())
    assert set(store.failed_ids()) == set(outcome.failures)


def test_a_worker_that_has_grown_is_replaced(write_sweep: WriteSweep, tmp_path: Path) -> None:
    plan = plan_sweep(write_sweep(seeds=12))
    store = Store.create(tmp_path / "store")
    pool = Pool(store, 1, memory_bytes=2**30)
    tasks = tasks_of(plan, plan.points)
    try:
        reports: list[Report] = []
        for report in pool.run(tasks):
            pool._memory_bytes = 2 * report.resident_bytes - 2  # now half of it is less than what it has
            reports.append(report)
    finally:
        pool.close()
    assert len(reports) == 12
    assert len(pool.pids) > 1


def test_a_point_that_kills_its_worker_fails_and_the_others_finish(write_sweep: WriteSweep, tmp_path: Path) -> None:
    """A worker is shot whenever it holds the claim of one point, until that point is given up."""
    plan = plan_sweep(write_sweep(grid={"workload.output_tokens": [2, 100_000]}, seeds=1))
    store = Store.create(tmp_path / "store")
    pool = Pool(store, 1, 2**32)
    tasks = tasks_of(plan, plan.points)  # the long one first
    over = threading.Event()

    def shoot() -> None:
        while not over.wait(0.05):
            for worker in pool._workers:
                if worker.tasks and worker.tasks[0].point_id == plan.points[1].id:
                    os.kill(worker.process.pid or 0, signal.SIGKILL)
                    time.sleep(0.1)

    shooter = threading.Thread(target=shoot)
    shooter.start()
    try:
        reports = {report.point_id: report for report in pool.run(tasks)}
    finally:
        over.set()
        shooter.join()
        pool.close()
    assert reports[plan.points[0].id].outcome == "finished"
    assert reports[plan.points[1].id].outcome == "failed"
    assert "signal 9" in reports[plan.points[1].id].text


def test_a_plan_of_other_code_is_refused(
    write_sweep: WriteSweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_sweep(write_sweep(seeds=1))
    monkeypatch.setattr("moe_cosim.sim.sweep.identity.sources.plugin_digest", lambda kind, name: f"other {name}")
    named = r"sweep sweep: sources: .*: engine embedded, .*policy hobbit, router generator.*plan the sweep again"
    with pytest.raises(InputError, match=named):
        run_points(Store.create(tmp_path / "store"), plan)


def test_a_file_that_changed_since_planning_is_refused(
    write_sweep: WriteSweep, tmp_path: Path, base_folder: Path
) -> None:
    (tmp_path / "model.json").write_bytes((base_folder / "model.json").read_bytes())
    plan = plan_sweep(write_sweep(seeds=1, set={"model": "model.json"}))
    with (tmp_path / "model.json").open("a") as file:
        file.write("\n")
    with pytest.raises(InputError, match="other content"):
        run_points(Store.create(tmp_path / "store"), plan)


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/job/step\n", {"job/memory.max": "4000", "job/step/memory.max": "max"}, [4000]),
        ("0::/\n", {"memory.max": "9000"}, [9000]),
        ("5:cpu:/a\n4:memory:/slurm/job_1\n", {"memory/slurm/job_1/memory.limit_in_bytes": "7000"}, [7000]),
        ("0::/job\n", {}, []),
    ],
)
def test_limits_of_a_batch_job_or_container_count(
    tmp_path: Path, membership: str, files: dict[str, str], expected: list[int]
) -> None:
    (tmp_path / "self").write_text(membership)
    for name, text in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text)
    assert memory.group_limits(tmp_path / "groups", tmp_path / "self") == expected
