from pathlib import Path

import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.sweep.plan.plan import plan_sweep
from moe_cosim.sim.sweep.pool.local import run_points
from moe_cosim.sim.sweep.query.query import results
from moe_cosim.sim.sweep.query.search import Goal, search
from moe_cosim.sim.sweep.store.store import Store
from tests.sim.sweep.conftest import WriteSweep

THROUGHPUT = Goal("end_to_end_tokens_per_s", True)


def test_the_best_of_a_small_space_is_found(write_sweep: WriteSweep, tmp_path: Path) -> None:
    path = write_sweep(grid={"workload.batch": [1, 2, 4, 8], "workload.output_tokens": [2, 4]})
    store = Store.create(tmp_path / "store")
    found = search(path, lambda: store, [THROUGHPUT], trials=24, seed=0, workers=2)
    plan = plan_sweep(path)
    run_points(store, plan, workers=2)
    ((best,),) = results(store, "SELECT max(end_to_end_tokens_per_s) FROM results").fetchall()
    assert len(found.trials) == 24
    assert [trial.values for trial in found.best] == [[best]]
    assert found.computed == len({point for trial in found.trials for point in trial.point_ids}) <= 8


def test_a_seed_finds_the_same_whatever_the_workers_and_reuses_points(write_sweep: WriteSweep, tmp_path: Path) -> None:
    path = write_sweep(
        grid={"workload.batch": {"range": [1, 16], "integer": True}, "policy.t1": {"range": [0.1, 0.6]}}, seeds=2
    )
    first, second = (Store.create(tmp_path / name) for name in ("first", "second"))
    one = search(path, lambda: first, [THROUGHPUT], trials=10, seed=3, workers=1)
    two = search(path, lambda: second, [THROUGHPUT], trials=10, seed=3, workers=2)
    assert one.trials == two.trials
    again = search(path, lambda: first, [THROUGHPUT], trials=10, seed=3, workers=1)
    assert (again.computed, again.trials) == (0, one.trials)
    other = search(path, lambda: first, [THROUGHPUT], trials=10, seed=4, workers=1)
    assert other.trials != one.trials
    assert all(len(trial.point_ids) == 2 for trial in one.trials)  # both seeds of each choice
    sweeps = {row[0] for row in results(first, "SELECT DISTINCT sweep FROM results").fetchall()}
    assert sweeps == {"sweep (search)"}


def test_two_goals_give_an_undominated_front(write_sweep: WriteSweep, tmp_path: Path) -> None:
    path = write_sweep(grid={"workload.batch": [1, 2, 4, 8]})
    goals = [THROUGHPUT, Goal("time_to_first_token_s", False)]
    store = Store.create(tmp_path / "store")
    found = search(path, lambda: store, goals, trials=16, seed=0)
    rows = [trial.values for trial in found.best]
    assert all(row is not None for row in rows)
    by_speed = sorted(row for row in rows if row is not None)
    assert [row[1] for row in by_speed] == sorted(row[1] for row in by_speed)  # more speed only for more wait
    assert len({tuple(trial.point_ids) for trial in found.best}) == len(found.best)


def test_refused_and_failed_trials_have_no_value(write_sweep: WriteSweep, tmp_path: Path) -> None:
    variants = {"good": {}, "bad": {"set": {"policy.low_format": "int5"}}}
    path = write_sweep(variants=variants, grid={"workload.batch": [1, 2, 4]}, where="batch < 4")
    store = Store.create(tmp_path / "store")
    found = search(path, lambda: store, [THROUGHPUT], trials=16, seed=0)
    for trial in found.trials:
        possible = trial.variant == "good" and trial.settings["workload.batch"] < 4
        assert (trial.values is not None) == possible
    assert found.best[0].variant == "good"


def test_an_unknown_metric_is_refused(write_sweep: WriteSweep, tmp_path: Path) -> None:
    path = write_sweep(grid={"workload.batch": [1, 2]})
    with pytest.raises(InputError, match="end_to_end_tokens_per_s"):
        search(path, lambda: Store.create(tmp_path / "s"), [Goal("end_to_end_token_per_s", True)], trials=2)
    with pytest.raises(InputError, match="goals"):
        search(path, lambda: Store.create(tmp_path / "s"), [], trials=2)
    with pytest.raises(InputError, match="nothing to choose"):
        search(write_sweep("seeds", seeds=3), lambda: Store.create(tmp_path / "s"), [THROUGHPUT])


def test_a_space_that_is_wrong_everywhere_is_refused(write_sweep: WriteSweep, tmp_path: Path) -> None:
    path = write_sweep(grid={"policy.no_such_option": [1, 2, 3]})
    with pytest.raises(InputError, match="no_such_option"):
        search(path, lambda: Store.create(tmp_path / "s"), [THROUGHPUT], trials=8)
