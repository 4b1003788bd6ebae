"""Elements are cut by the time of their points, and ask for the memory that these need."""

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.errors import InputError, RunError
from moe_cosim.experiment import load_experiment
from moe_cosim.sim.batch import element, needs
from moe_cosim.sim.batch.needs import ELEMENT_S, START_BYTES, WORKER_BYTES, Needs, chunk_of, point_bytes, point_seconds
from moe_cosim.sim.batch.submission import Submission, SubmissionRecord, create
from moe_cosim.sim.batch.usage import Usage, UsageMeter, usage_of
from moe_cosim.sim.sweep.plan.plan import SweepPlan, plan_sweep
from moe_cosim.sim.sweep.pool.estimate import Estimate
from moe_cosim.sim.sweep.store.store import Store
from moe_cosim.testing.scheduler.sweeping import Sweeping
from moe_cosim.workloads.limits import BYTES_PER_CELL, BYTES_PER_CHOICE
from moe_cosim.workloads.models.find import find_model


@pytest.mark.parametrize(
    ("points", "seconds", "cores", "limit_s", "most", "chunk"),
    [
        (63, 0.047, 1, None, 1000, 63),  # three seconds are one element
        (5000, 0.015, 1, None, 1000, 5000),
        (5000, 60.0, 1, None, 1000, 10),  # ten minutes each
        (5000, 60.0, 8, None, 1000, 80),
        (5000, 60.0, 1, 600.0, 1000, 5),  # no more than half of what the limit leaves
        (5000, 60.0, 1, None, 100, 50),  # as many as the site allows
        (5000, 6000.0, 1, None, 10_000, 1),
        (1100, 0.6, 1, None, 1000, 550),  # two equal ones, not a thousand and a hundred
        (5000, 0.0, 1, None, 1000, 5000),
        (5000, None, 1, None, 1000, 25),  # two hundred where nobody can say
        (3, None, 1, None, 1000, 1),
        (5000, 6000.0, 1, None, None, 5),
    ],
)
def test_elements_are_cut_by_time(
    points: int, seconds: float | None, cores: int, limit_s: float | None, most: int | None, chunk: int
) -> None:
    assert chunk_of(points, seconds, cores, limit_s, most) == chunk


@given(
    points=st.integers(1, 10**6),
    seconds=st.one_of(st.none(), st.floats(0, 1e6)),
    cores=st.integers(1, 256),
    most=st.one_of(st.none(), st.integers(1, 10**5)),
)
def test_any_cut_fits_the_array_and_its_time(points: int, seconds: float | None, cores: int, most: int | None) -> None:
    chunk = chunk_of(points, seconds, cores, None, most)
    elements = -(-points // chunk)
    assert 1 <= chunk <= points
    assert elements <= (most or needs.MOST_ELEMENTS)
    if seconds is not None and elements < (most or needs.MOST_ELEMENTS) // 2:
        assert chunk == 1 or chunk * seconds <= ELEMENT_S * cores * (1 + 1e-9)


def plan_of(tmp_path: Path, **fields: Any) -> SweepPlan:
    path = tmp_path / "sweep.yaml"
    path.write_text(json.dumps({"name": "x", "base": "cxl-ndp-mixtral-8x7b-2bit", **fields}))
    return plan_sweep(path)


def test_memory_is_that_of_the_largest_point(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, grid={"workload.batch": [1, 64, 2], "seed": [0, 1]})
    ids = [point.id for point in plan.points]
    workload = load_experiment("cxl-ndp-mixtral-8x7b-2bit").workload
    model = find_model("mixtral-8x7b")
    layers = len(model.moe_layers)

    def expected(batch: int) -> int:
        choices = batch * (workload.prompt_tokens + workload.output_tokens - 1) * layers * model.top_k
        return WORKER_BYTES + BYTES_PER_CHOICE * choices + BYTES_PER_CELL * workload.output_tokens * layers

    assert point_bytes(plan, ids) == expected(64)
    assert point_bytes(plan, [ids[0], ids[4]]) == expected(2)
    assert Needs(None, expected(2)).element_bytes(4) == START_BYTES + 8 * expected(2)


@pytest.mark.parametrize("change", [{"engine.name": "sst"}, {"window.steps": "1:2"}])
def test_what_keeps_a_whole_program_cannot_be_said(tmp_path: Path, change: dict[str, Any]) -> None:
    plan = plan_of(tmp_path, set=change, seeds=2)
    assert point_bytes(plan, [point.id for point in plan.points]) is None
    assert Needs(1.0, None).element_bytes(4) is None


def test_a_time_that_nobody_can_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tried(*_: object) -> Estimate:
        raise RunError("no SST here")

    monkeypatch.setattr(needs, "estimate", tried)
    assert point_seconds(plan_of(tmp_path, seeds=2), None) is None
    monkeypatch.undo()
    ranks = plan_of(tmp_path, set={"engine": {"name": "sst", "ranks": 2}}, seeds=2)
    assert point_seconds(ranks, None) is None, "nothing is started here"
    wrong = plan_of(tmp_path, set={"policy.gpu_experts": 10_000}, seeds=2)
    with pytest.raises(InputError):
        point_seconds(wrong, None)


class Submitted:
    """A sweep of 63 points and what a submission of it to Slurm would be."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sweeping = Sweeping(folder).write(points=63)
        self.monkeypatch = monkeypatch

    def dry(self, *words: object, **site: Any) -> str:
        path = self.sweeping.site(scheduler="slurm", **site)
        out = ("--out", self.sweeping.path, "--site", path, "--dry-run")
        return self.sweeping.run("submit", self.sweeping.sweep, *out, *words)

    def takes(self, seconds: float) -> None:
        found = Estimate(63 * seconds, seconds, 63, "test")
        self.monkeypatch.setattr(needs, "estimate", lambda *_: found)


@pytest.fixture
def submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Submitted:
    return Submitted(tmp_path, monkeypatch)


def test_a_sweep_of_seconds_is_one_element(submitted: Submitted) -> None:
    """By an estimate that runs three of its points, shortened."""
    printed = submitted.dry()
    assert "--array=1-1\n" in printed
    assert "--mem=1" in printed


def test_a_sweep_of_an_hour_is_seven(submitted: Submitted) -> None:
    submitted.takes(60.0)
    assert "--array=1-7\n" in submitted.dry()
    assert "--array=1-2\n" in submitted.dry(**{"cpus-per-task": 4})
    assert "--array=1-3\n" in submitted.dry(**{"max-array": 3})
    assert "--array=1-63\n" in submitted.dry("--chunk", 1)
    assert "--array=1-13\n" in submitted.dry("--time", "00:11:00", "--warning", 59)
    assert "--mem=9G\n" in submitted.dry(mem="9G")


def record(**fields: Any) -> SubmissionRecord:
    required = {"plan_id": "f" * 32, "name": "moe-x", "site": {"scheduler": "slurm"}, "chunk": 2, "points": 3}
    return SubmissionRecord(**{**required, "warning_s": 60, "created": "now", **fields})


def test_what_is_resumed_is_cut_anew_and_asks_for_what_was_used(submitted: Submitted) -> None:
    sweeping = submitted.sweeping
    plan = plan_sweep(sweeping.sweep)
    store = Store.create(sweeping.path)
    store.add_plan(plan)
    ids = [point.id for point in plan.points]
    made = record(plan_id=plan.plan_id, points=63, chunk=63, point_s=60.0, point_bytes=500_000_000)
    submission = create(sweeping.path.resolve() / "batch" / "first", made, ids, {})
    printed = sweeping.run("resume", sweeping.path, "--dry-run")
    assert "--array=1-7\n" in printed, "nothing has finished: by the estimate of the submission"
    assert "--mem=1500M\n" in printed
    submission.used(1).write_text('{"peak_bytes": 2000000000, "wall_s": 3.5}')
    assert "--mem=3000M\n" in sweeping.run("resume", sweeping.path, "--dry-run")
    asked = record(plan_id=plan.plan_id, points=63, chunk=21)
    create(sweeping.path.resolve() / "batch" / "second", asked, ids, {})
    assert "--array=1-3\n" in sweeping.run("resume", sweeping.path, "--dry-run"), "a chunk that was asked for stays"


@pytest.mark.parametrize(
    ("cores", "free", "points", "workers"), [(8, 10e9, 9, 8), (8, 1e9, 9, 2), (8, 1, 9, 1), (8, 10e9, 3, 3)]
)
def test_no_more_workers_than_there_is_memory_and_work_for(
    monkeypatch: pytest.MonkeyPatch, cores: int, free: float, points: int, workers: int
) -> None:
    monkeypatch.setattr(element, "bytes_per_worker", lambda _: int(free))
    assert element._workers(cores, record(point_bytes=500_000_000), points) == workers
    assert element._workers(cores, record(), points) == min(cores, points)


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    return create(tmp_path / "batch" / "one", record(), ["a" * 32, "b" * 32, "c" * 32], {})


def _holds(megabytes: int, held: Any, over: Any) -> None:
    kept = bytearray(megabytes * 10**6)
    held.set()
    over.wait(60)
    del kept


def test_memory_of_a_process_below_is_counted_and_kept_before_the_end(submission: Submission) -> None:
    context = multiprocessing.get_context("spawn")
    held, over = context.Event(), context.Event()
    child = context.Process(target=_holds, args=(300, held, over))
    meter = UsageMeter(submission, 1)
    meter.look()
    alone = meter.peak_bytes
    child.start()
    assert held.wait(60)
    meter.look()
    kept = usage_of(submission, 1)
    over.set()
    child.join()
    assert alone + 300e6 <= meter.peak_bytes < alone + 600e6
    assert kept is not None
    assert kept.peak_bytes == meter.peak_bytes, "an element that is killed has said it"
    assert usage_of(submission, 2) is None


def test_an_element_that_ran_before_adds_to_what_it_used(submission: Submission) -> None:
    submission.used(1).write_text(Usage(peak_bytes=10**15, wall_s=100.0).model_dump_json())
    meter = UsageMeter(submission, 1)
    with meter.running():
        time.sleep(0.01)
    found = usage_of(submission, 1)
    assert found is not None
    assert found.peak_bytes == 10**15
    assert 100.0 < found.wall_s < 160.0
    submission.used(1).write_text('{"peak_bytes": -1, "wall_s": 0}')
    assert usage_of(submission, 1) is None
