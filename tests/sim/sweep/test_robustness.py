"""What happens to machines: processes killed, disks full, clocks that jump, two sweeps at once."""

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from moe_cosim.errors import RunError
from moe_cosim.sim.sweep.plan.plan import plan_sweep
from moe_cosim.sim.sweep.pool import one_point, pool
from moe_cosim.sim.sweep.pool.local import run_points, tasks_of
from moe_cosim.sim.sweep.store.claims import Claims
from moe_cosim.sim.sweep.store.collect import collect
from moe_cosim.sim.sweep.store.store import Store
from tests.sim.sweep.conftest import WriteSweep
from tests.sim.sweep.same import contents, left_aside

ROOT = Path(__file__).parents[3]
SCRIPT = """
import sys
from moe_cosim.sim.sweep.pool.local import run_points
from moe_cosim.sim.sweep.store.store import Store
if __name__ == "__main__":
    store = Store.create(sys.argv[1])
    outcome = run_points(store, store.plan(sys.argv[2]), workers=2)
    sys.exit(0 if len(store.finished_ids()) == outcome.wanted else 1)
"""


def start(store: Store, plan_id: str, tmp_path: Path) -> subprocess.Popen[bytes]:
    """A sweep in a process of its own."""
    script = tmp_path / "run_it.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(store.path), plan_id]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})


def undisturbed(path: Path) -> dict[str, dict[str, object]]:
    plan = plan_sweep(path)
    return {task.point_id: one_point.run_point(task).repeatable() for task in tasks_of(plan, plan.points)}


@pytest.mark.parametrize(("points", "at_least"), [(120, 1), pytest.param(400, 5, marks=pytest.mark.slow)])
def test_workers_killed_at_random_moments_lose_and_change_nothing(
    write_sweep: WriteSweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: int, at_least: int
) -> None:
    path = write_sweep(seeds=points)  # long enough for the kills on a fast machine
    plan = plan_sweep(path)
    store = Store.create(tmp_path / "store")
    generator = random.Random(1)
    over = threading.Event()
    killed = 0
    pools: list[pool.Pool] = []
    original = pool.Pool.__init__

    def remember(self: pool.Pool, *arguments: object) -> None:
        original(self, *arguments)  # type: ignore[arg-type]
        pools.append(self)

    monkeypatch.setattr(pool.Pool, "__init__", remember)

    def kill() -> None:
        nonlocal killed
        while not over.wait(generator.uniform(0.02, 0.2)):
            alive = [worker.process.pid for each in pools for worker in list(each._workers)]
            if alive and killed < 20:
                try:
                    os.kill(generator.choice(alive) or 0, signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    continue

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        for _ in range(20):
            if run_points(store, plan, workers=2).finished == 0:
                break
    finally:
        over.set()
        killer.join()
    run_points(store, plan, workers=2)
    assert killed >= at_least
    assert contents(store) == undisturbed(path)
    assert left_aside(store) == []


@pytest.mark.parametrize(("points", "wanted"), [(100, 1), pytest.param(300, 3, marks=pytest.mark.slow)])
def test_the_sweep_killed_at_random_moments_resumes_to_the_same_store(
    write_sweep: WriteSweep, tmp_path: Path, points: int, wanted: int
) -> None:
    path = write_sweep(seeds=points)
    plan = plan_sweep(path)
    store = Store.create(tmp_path / "store")
    plan_id = store.add_plan(plan)
    generator = random.Random(2)
    kills = 0
    for _ in range(30):
        before = len(store.finished_ids())
        process = start(store, plan_id, tmp_path)
        while process.poll() is None and len(store.finished_ids()) <= before:
            time.sleep(0.02)  # it computes now, and not just starts
        time.sleep(generator.uniform(0.0, 0.1))
        if kills < wanted and process.poll() is None:
            process.kill()
            kills += 1
        if process.wait() == 0:
            break
    assert kills == wanted
    assert contents(store) == undisturbed(path)
    collect(store)
    assert left_aside(store) == []


def test_two_sweeps_at_once_compute_every_point_once(write_sweep: WriteSweep, tmp_path: Path) -> None:
    path = write_sweep(seeds=60)
    store = Store.create(tmp_path / "store")
    plan_id = store.add_plan(plan_sweep(path))
    both = [start(store, plan_id, tmp_path) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert contents(store) == undisturbed(path)


def test_collecting_while_points_are_written_loses_nothing(write_sweep: WriteSweep, tmp_path: Path) -> None:
    path = write_sweep(seeds=80)
    store = Store.create(tmp_path / "store")
    over = threading.Event()
    collections = 0

    def keep_collecting() -> None:
        nonlocal collections
        while not over.is_set():
            assert collect(store).damaged == []
            collections += 1

    collector = threading.Thread(target=keep_collecting)
    collector.start()
    try:
        outcome = run_points(store, plan_sweep(path), workers=2)
    finally:
        over.set()
        collector.join()
    assert outcome.finished == 80
    assert collections >= 2
    assert len(store.finished_ids()) == 80
    assert contents(store) == undisturbed(path)


def test_a_point_that_another_process_computes_is_left_to_it(write_sweep: WriteSweep, tmp_path: Path) -> None:
    plan = plan_sweep(write_sweep(seeds=3))
    store = Store.create(tmp_path / "store")
    claims = store.claims()
    busy = plan.points[1]
    assert claims.take(busy.id)
    seen: list[int] = []

    def finish_it() -> None:
        while len(store.finished_ids()) < 2:
            time.sleep(0.02)
        time.sleep(0.7)  # the sweep has looked and found it claimed
        seen.append(len(store.finished_ids()))
        store.write(one_point.run_point(*tasks_of(plan, [busy])))
        claims.release(busy.id)

    other = threading.Thread(target=finish_it)
    other.start()
    outcome = run_points(store, plan)
    other.join()
    claims.close()
    assert seen == [2]
    assert (outcome.finished, outcome.skipped) == (2, 1)


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys; from moe_cosim.sim.sweep.store.claims import *; c = Claims(Path(sys.argv[1])); "
        "c.take('ab' * 16); print('has', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "claims")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"has\n"
    claims = Claims(tmp_path / "claims")
    assert not claims.take("ab" * 16)
    assert claims.take("cd" * 16)
    holder.kill()
    holder.wait()
    assert claims.take("ab" * 16)
    claims.close()


def test_where_there_are_no_locks_points_are_computed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("fcntl.lockf", refuse)
    claims = Claims(tmp_path / "claims")
    assert claims.take("ab" * 16)
    claims.release("ab" * 16)
    claims.close()


def test_a_full_disk_stops_the_sweep_and_loses_nothing(write_sweep: WriteSweep, tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system takes the right to")
    try:
        path = write_sweep(seeds=100)
        plan = plan_sweep(path)
        store = Store.create(mount / "store")
        with pytest.raises(RunError, match="No space left on device"):
            run_points(store, plan, workers=2)
        kept = contents(store)  # none of them damaged
        assert 5 < len(kept) < 100
        assert left_aside(store) == []
        subprocess.run(["mount", "-o", "remount,size=8m", str(mount)], check=True)
        assert run_points(store, plan, workers=2).finished == 100 - len(kept)
        assert contents(store) == undisturbed(path)
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_read_only_store_is_read_but_not_written(write_sweep: WriteSweep, tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "none", str(mount)], capture_output=True).returncode
    ):
        pytest.skip("mounting a file system takes the right to")
    try:
        plan = plan_sweep(write_sweep(seeds=2))
        store = Store.create(mount / "store")
        store.add_plan(plan)
        run_points(store, plan, [plan.points[0].id])
        subprocess.run(["mount", "-o", "remount,ro", str(mount)], check=True)
        with pytest.raises(RunError, match="Read-only"):
            Store.create(mount / "store")
        with pytest.raises(RunError, match="Read-only"):
            collect(Store.open(mount / "store"))
        read = Store.open(mount / "store")
        assert len(contents(read)) == 1
        assert len(read.progress(plan).missing) == 1
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_clock_that_jumps_changes_nothing(
    write_sweep: WriteSweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_sweep(seeds=6)
    plan = plan_sweep(path)
    store = Store.create(tmp_path / "store")
    jumps = iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: 2e9 - 1e8 * next(jumps))  # backwards, by years
    monkeypatch.setattr(time, "time_ns", lambda: int(1e18 - 1e16 * next(jumps)))
    assert run_points(store, plan, [point.id for point in plan.points[:3]]).finished == 3
    for folder in (store.path / "points").iterdir():
        for file in folder.iterdir():
            os.utime(file, (4e9, 4e9))  # written in the year 2096
    outcome = run_points(store, plan)
    assert (outcome.finished, outcome.skipped) == (3, 3)
    assert outcome.wall_s >= 0
    assert contents(store) == undisturbed(path)
