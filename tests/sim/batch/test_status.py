"""The scheduler's view and the store's, merged."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.batch import status
from moe_cosim.sim.batch.base import JobState, Seen
from moe_cosim.sim.batch.element import StopRequest
from moe_cosim.sim.batch.needs import ranks_of
from moe_cosim.sim.batch.status import View
from moe_cosim.sim.batch.submission import POINTS, RECORD, Submission, SubmissionRecord, create, submissions
from moe_cosim.sim.sweep.plan.plan import plan_sweep
from moe_cosim.sim.sweep.store.store import Store
from moe_cosim.testing.scheduler.sweeping import Sweeping, wait_for


def record(points: int, chunk: int) -> SubmissionRecord:
    return SubmissionRecord(
        plan_id="f" * 32,
        name="moe-x",
        site={"scheduler": "slurm"},
        chunk=chunk,
        points=points,
        warning_s=60,
        created="now",
    )


def view(tmp_path: Path, seen: dict[int, Seen], points: int = 8, chunk: int = 2) -> View:
    ids = [f"{each:032x}" for each in range(points)]
    return View(Submission(tmp_path / "s"), record(points, chunk), ids, seen)


def test_an_element_is_done_when_its_points_are(tmp_path: Path) -> None:
    seen = {
        1: Seen(JobState.FAILED, "NODE_FAIL"),
        2: Seen(JobState.RUNNING, "RUNNING"),
        3: Seen(JobState.TIMEOUT, "TIMEOUT"),
    }
    merged = view(tmp_path, seen)
    finished = {merged.point_ids[index] for index in (0, 1, 2, 4)}
    document = merged.document(finished, {merged.point_ids[5]})
    assert document["elements"] == {"done": 1, "running": 1, "timed out": 1, "gone": 1}
    assert document["points"] == {"finished": 4, "failed": 1, "missing": 3}
    assert document["ended_as"] == {"TIMEOUT": 1}
    assert document["to_resume"] == 3, "not the point that the running element will still compute"
    assert merged.active_points() == set(merged.point_ids[2:4])


def test_a_hundred_thousand_points(tmp_path: Path) -> None:
    merged = view(tmp_path, {}, points=100_000, chunk=100)
    document = merged.document(set(merged.point_ids[:60_000]), set(merged.point_ids[60_000:60_050]))
    assert document["elements"] == {"done": 600, "gone": 400}
    assert document["points"] == {"finished": 60_000, "failed": 50, "missing": 39_950}


def test_without_the_scheduler_the_store_still_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweeping = Sweeping(tmp_path).write(3)
    plan = plan_sweep(sweeping.sweep)
    store = Store.create(sweeping.path)
    store.add_plan(plan)
    ids = [point.id for point in plan.points]
    made = record(3, 2).model_copy(update={"plan_id": plan.plan_id, "job_ids": ["7"], "collect_ids": ["8"]})
    create(sweeping.path.resolve() / "batch" / "first", made, ids, {"points.sh": "true\n"})
    monkeypatch.setenv("PATH", str(tmp_path))
    found = status.batch_lines(store)
    assert found is not None
    assert found["submissions"][0]["points"] == {"finished": 0, "failed": 0, "missing": 3}
    assert "no such program here" in found["summary"][0]
    # what still runs is unknown: submitting again could compute twice
    code, printed = sweeping.attempt("resume", sweeping.path)
    assert code == 1
    assert "squeue" in printed


def test_a_store_without_submissions(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    assert status.batch_lines(store) is None
    sweeping = Sweeping(tmp_path)
    code, printed = sweeping.attempt("resume", sweeping.path)
    assert code == 2
    assert "sweep submit" in printed
    assert "nothing waits or runs" in sweeping.run("cancel", sweeping.path)


def test_a_submission_appears_whole(tmp_path: Path) -> None:
    folder = tmp_path / "batch" / "one"
    made = create(folder, record(5, 2), [f"{each:032x}" for each in range(5)], {"points.sh": "true\n"})
    assert [each.id for each in submissions(tmp_path)] == ["one"]
    assert sorted(entry.name for entry in folder.parent.iterdir()) == ["one"]
    assert [len(made.element_points(index)) for index in (1, 2, 3)] == [2, 2, 1]
    with pytest.raises(InputError, match="1 to 3"):
        made.element_points(4)
    assert len((folder / POINTS).read_text().split()) == 5
    (folder / RECORD).write_text('{"plan_id": ')
    with pytest.raises(InputError, match="no whole record"):
        made.record()


def test_ranks_of_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    document = {
        "base": "cxl-ndp-mixtral-8x7b-2bit",
        "set": {"engine": {"name": "sst", "ranks": 2}},
        "grid": {"engine.ranks": [1, 3]},
    }
    path.write_text(json.dumps(document))
    assert ranks_of(plan_sweep(path)) == 3


def test_the_clock_stops_an_element() -> None:
    request = StopRequest()
    started = time.monotonic()
    with request.listening(deadline_s=0.2):
        assert not request.asked()
        wait_for(request.asked, 10)
    assert time.monotonic() - started >= 0.2
    assert request.reason == "clock"


def test_other_code_is_not_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweeping = Sweeping(tmp_path).write(3)
    plan = plan_sweep(sweeping.sweep)
    store = Store.create(sweeping.path)
    store.add_plan(plan)
    made = record(3, 2).model_copy(update={"plan_id": plan.plan_id})
    create(sweeping.path.resolve() / "batch" / "first", made, [point.id for point in plan.points], {})
    assert "sbatch" in sweeping.run("resume", sweeping.path, "--dry-run")
    monkeypatch.setattr("moe_cosim.sim.sweep.identity.sources.core_digest", lambda: "other")
    code, printed = sweeping.attempt("resume", sweeping.path)
    assert code == 2
    assert "found other code than planned: core; " in printed
    assert "plan the sweep again" in printed
    assert len(sweeping.submissions()) == 1


FORGED = {
    "job": {"job_ids": ["--user=me"]},
    "collecting job": {"collect_ids": ["1 2"]},
    "plan": {"plan_id": "../../x"},
    "points": {"points": 10**18},
    "chunk": {"chunk": 0},
    "name": {"name": "a\nb"},
    "time": {"time_s": -1},
}


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
def test_a_forged_submission_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    """Its job ids become words of the scheduler's commands, among them the one that cancels."""
    made = create(tmp_path / "batch" / "one", record(2, 1), ["a" * 32, "b" * 32], {})
    document = json.loads((made.folder / RECORD).read_bytes())
    (made.folder / RECORD).write_text(json.dumps(document | changes), encoding="utf-8")
    with pytest.raises(InputError, match="no whole record of this version"):
        made.record()


@pytest.mark.parametrize("name", [RECORD, POINTS])
def test_a_link_in_a_submission_is_not_followed(tmp_path: Path, name: str) -> None:
    made = create(tmp_path / "batch" / "one", record(2, 1), ["a" * 32, "b" * 32], {})
    (made.folder / name).rename(tmp_path / "elsewhere")
    (made.folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError):
        made.record() if name == RECORD else made.point_ids()


def test_a_submission_of_somebody_else_is_neither_resumed_nor_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(tmp_path / "batch" / "one", record(2, 1), ["a" * 32, "b" * 32], {})
    made.refuse_others()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(InputError, match="owner: found user"):
        made.refuse_others()
