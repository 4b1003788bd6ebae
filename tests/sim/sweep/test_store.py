import json
import os
import shutil
from pathlib import Path

import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.sweep.plan.plan import SweepPlan
from moe_cosim.sim.sweep.pool.local import run_points
from moe_cosim.sim.sweep.query.status import status
from moe_cosim.sim.sweep.store.collect import collect
from moe_cosim.sim.sweep.store.record import SCHEMA, PointRecord
from moe_cosim.sim.sweep.store.store import Store
from tests.sim.sweep.same import contents, left_aside


@pytest.fixture
def store(computed: tuple[Store, SweepPlan], tmp_path: Path) -> Store:
    """A copy of the computed store, in another place: stores may be moved."""
    shutil.copytree(computed[0].path, tmp_path / "moved")
    return Store.open(tmp_path / "moved")


@pytest.fixture
def plan(computed: tuple[Store, SweepPlan]) -> SweepPlan:
    return computed[1]


def point_file(store: Store, point_id: str) -> Path:
    return store.path / "points" / point_id[:2] / f"{point_id}.json.gz"


def test_progress_is_in_the_order_of_the_plan(store: Store, plan: SweepPlan) -> None:
    progress = store.progress(plan)
    assert [*progress.finished, *progress.failed] == [point.id for point in plan.points]
    assert not progress.missing


def test_a_moved_store_recomputes_nothing(store: Store, plan: SweepPlan) -> None:
    before = contents(store)
    outcome = run_points(store, plan, store.progress(plan).finished)
    assert (outcome.finished, outcome.skipped) == (0, 8)
    assert contents(store) == before


def test_a_plan_comes_back_equal(store: Store, plan: SweepPlan) -> None:
    assert store.plan_ids() == [plan.plan_id]
    found = store.plan(plan.plan_id)
    assert found == plan
    assert [found.experiment(point) for point in found.points] == [plan.experiment(point) for point in plan.points]


def test_a_damaged_plan_is_refused(store: Store, plan: SweepPlan) -> None:
    path = store.path / "plans" / f"{plan.plan_id}.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="damaged"):
        store.plan(plan.plan_id)


def test_failures_have_their_line(store: Store, plan: SweepPlan) -> None:
    for point_id in store.progress(plan).failed:
        line = store.failure(point_id)
        assert line is not None
        assert "policy.low_format: found 'int5'; allowed: " in line


def test_what_collect_compacts_is_the_same_and_once(store: Store, plan: SweepPlan) -> None:
    before = contents(store)
    collected = collect(store)
    assert (collected.points, collected.compacted, collected.parts, collected.damaged) == (8, 8, 1, [])
    assert contents(store) == before
    assert not list((store.path / "points").rglob("*.json.gz"))
    assert store.progress(plan).finished == [point.id for point in plan.points][:8]
    assert collect(store).compacted == 0


def test_parts_of_several_collections_are_merged(store: Store, plan: SweepPlan) -> None:
    before = contents(store)
    finished = store.progress(plan).finished
    kept = {point_id: point_file(store, point_id).read_bytes() for point_id in finished}
    for point_id in finished:
        point_file(store, point_id).unlink()
    for point_id in finished:  # one collection per point
        point_file(store, point_id).write_bytes(kept[point_id])
        assert collect(store).parts == 1
    point_file(store, finished[0]).write_bytes(kept[finished[0]])  # computed twice by two hosts
    assert collect(store).points == 8
    assert contents(store) == before


@pytest.mark.parametrize("spoil", [b"", b"\0" * 100, None])
def test_a_damaged_point_is_named_computed_again_and_never_read(
    store: Store, plan: SweepPlan, spoil: bytes | None
) -> None:
    before = contents(store)
    victim = store.progress(plan).finished[3]
    path = point_file(store, victim)
    path.write_bytes(spoil if spoil is not None else path.read_bytes()[:-9])
    assert store.record(victim) is None
    outcome = run_points(store, plan, store.progress(plan).finished)
    assert (outcome.damaged, outcome.finished, outcome.skipped) == ([victim], 1, 7)
    assert contents(store) == before


def test_collect_names_a_damaged_point_and_leaves_it_out(store: Store, plan: SweepPlan) -> None:
    victim = store.progress(plan).finished[0]
    point_file(store, victim).write_bytes(b"nothing")
    collected = collect(store)
    assert (collected.points, collected.damaged) == (7, [victim])
    assert store.progress(plan).missing == [victim]
    assert (store.path / "damaged" / f"{victim}.json.gz").exists()


def test_a_damaged_part_is_named_and_its_points_are_missing(store: Store, plan: SweepPlan) -> None:
    before = contents(store)
    collect(store)
    (part,) = (store.path / "parts").iterdir()
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    assert status(store)["damaged_parts"] == [part.name]
    assert len(store.progress(plan).missing) == 8
    assert run_points(store, plan, store.progress(plan).missing, workers=2).finished == 8
    assert collect(store).damaged == [part.name]
    assert contents(store) == before


def test_a_finished_point_is_no_longer_failed(store: Store, plan: SweepPlan) -> None:
    failed = store.progress(plan).failed[0]
    old = store.record(store.progress(plan).finished[0])
    assert old is not None
    store.write(PointRecord(**{**old.__dict__, "point_id": failed}))
    assert failed in store.finished_ids()
    assert failed not in store.failed_ids()


def test_rubbish_of_killed_writers_goes_once_its_point_is_there(store: Store, plan: SweepPlan) -> None:
    finished = store.progress(plan).finished[0]
    (store.path / "aside" / f"{finished}.json.gz-host-17").write_bytes(b"half")
    (store.path / "aside" / f"{'0' * 32}.json.gz-host-18").write_bytes(b"half")
    collect(store)
    assert left_aside(store) == [f"{'0' * 32}.json.gz-host-18"]  # someone may be writing it now


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"format": "other", "schema": 1}'])
def test_no_store_is_refused(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "x").mkdir()
    if content is not None:
        (tmp_path / "x" / "store.json").write_text(content)
    with pytest.raises(InputError, match="no store"):
        Store.open(tmp_path / "x")
    (tmp_path / "x" / "mine.txt").touch()
    with pytest.raises(InputError, match="store"):
        Store.create(tmp_path / "x")
    with pytest.raises(InputError, match="store"):
        Store.open(tmp_path / "nothing")


def test_a_newer_schema_is_refused(store: Store) -> None:
    (store.path / "store.json").write_text(json.dumps({"format": "moe-cosim-store", "schema": SCHEMA + 1}))
    for opening in (Store.open, Store.create):
        with pytest.raises(InputError, match="newer"):
            opening(store.path)


def test_status_counts_by_names_alone(store: Store, plan: SweepPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise AssertionError("a point was read")

    monkeypatch.setattr("moe_cosim.sim.sweep.store.store.read", refuse)
    monkeypatch.setattr("moe_cosim.sim.sweep.store.store.read_text", refuse)
    found = status(store)
    assert (found["finished"], found["failed"]) == (8, 2)
    (row,) = found["plans"]
    assert (row["points"], row["finished"], row["failed"], row["missing"]) == (10, 8, 2, 0)
    assert row["changed"] == []


def test_files_are_readable_by_others(store: Store) -> None:
    mask = os.umask(0)
    os.umask(mask)
    for path in (store.path / "points").rglob("*.gz"):
        assert path.stat().st_mode & 0o777 == 0o666 & ~mask
