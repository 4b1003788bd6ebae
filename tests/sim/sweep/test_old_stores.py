"""Stores that earlier versions wrote, two points each: schema 1 is plain JSON without a list of files; schema 2
has a plan, a point in a file and one compacted, and one digest for all sources."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from moe_cosim.errors import InputError
from moe_cosim.sim.sweep.plan.plan import plan_sweep
from moe_cosim.sim.sweep.pool.local import run_points, tasks_of
from moe_cosim.sim.sweep.pool.one_point import run_point
from moe_cosim.sim.sweep.query.query import Tables
from moe_cosim.sim.sweep.query.status import status
from moe_cosim.sim.sweep.store import parts
from moe_cosim.sim.sweep.store.collect import collect
from moe_cosim.sim.sweep.store.record import SCHEMA
from moe_cosim.sim.sweep.store.store import Store


@pytest.fixture(params=[1, 2])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    shutil.copytree(Path(__file__).parent / f"store-v{request.param}", tmp_path / "old")
    return tmp_path / "old"


@pytest.fixture
def again(tmp_path: Path) -> Path:
    """The sweep that the stores hold."""
    changes = {"workload.prompt_tokens": 1, "workload.output_tokens": 2}
    (tmp_path / "again.yaml").write_text(yaml.safe_dump({"base": "hobbit-mixtral-8x7b", "set": changes, "seeds": 2}))
    return tmp_path / "again.yaml"


def test_it_opens_and_goes_on(old: Path) -> None:
    store = Store.open(old)
    ids = sorted(store.finished_ids())
    records = [store.record(point_id) for point_id in ids]
    assert [record.result["end_to_end_s"] > 0 for record in records if record and record.result] == [True, True]
    assert [list(record.sources) for record in records if record] == [["core"], ["core"]]
    store = Store.create(old)  # to write
    assert json.loads((old / "store.json").read_text())["schema"] == SCHEMA
    assert collect(store).points == 2
    assert [store.record(point_id) for point_id in ids] == records
    assert not parts.damaged(old / "parts")


@pytest.mark.parametrize("collected", [False, True])
def test_it_is_queried_and_its_points_give_way_to_those_of_this_code(old: Path, again: Path, collected: bool) -> None:
    store = Store.create(old)
    if collected:
        collect(store)
    tables = Tables(store)
    assert tables.query("SELECT seed, status FROM results ORDER BY seed").fetchall() == [
        (0, "finished"),
        (1, "finished"),
    ]
    assert tables.left_out == 0
    plan = plan_sweep(again)
    store.write(run_point(tasks_of(plan, plan.points)[0]))
    tables = Tables(store)
    ((point_id,),) = tables.query("SELECT point_id FROM results").fetchall()  # never one seed of each version
    assert (point_id, tables.left_out) == (plan.points[0].id, 2)
    assert len(Tables(store, all_versions=True).query("SELECT point_id FROM results").fetchall()) == 3


def test_its_plan_is_shown_and_not_run(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parent / "store-v2", tmp_path / "old")
    store = Store.create(tmp_path / "old")
    (plan_id,) = store.plan_ids()
    (row,) = status(store)["plans"]
    assert (row["name"], row["points"], row["finished"], row["changed"]) == ("old", 2, 2, ["core"])
    with pytest.raises(InputError, match=r"sweep old: sources: found other code than planned: core; .* plan the sweep"):
        run_points(store, store.plan(plan_id))
