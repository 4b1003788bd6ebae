"""Two versions of the code in one store: neither a table nor a figure mixes them."""

import dataclasses
import shutil
import statistics
from pathlib import Path
from typing import Any

import pytest

from moe_cosim.sim.figures.charts.lines import Lines, lines_of
from moe_cosim.sim.figures.charts.pareto import pareto_of
from moe_cosim.sim.figures.label_file import Naming
from moe_cosim.sim.figures.points import Points
from moe_cosim.sim.figures.request import FigureRequest
from moe_cosim.sim.sweep.plan.plan import SweepPlan
from moe_cosim.sim.sweep.query.query import Tables
from moe_cosim.sim.sweep.query.search import Goal, search
from moe_cosim.sim.sweep.store.collect import collect
from moe_cosim.sim.sweep.store.record import PointRecord
from moe_cosim.sim.sweep.store.store import Store
from tests.sim.sweep.conftest import WriteSweep

OLD = "2026-01-01T00:00:00+00:00"
NEW = "2099-01-01T00:00:00+00:00"


def another_version(record: PointRecord, number: int, finished_utc: str, **sources: str) -> PointRecord:
    """The same point as other code would have computed it: all its times are 100 s longer."""
    result = record.result and {**record.result, "end_to_end_s": record.result["end_to_end_s"] + 100.0 * number}
    point_id = f"{int(record.point_id, 16) ^ number:032x}"
    changed = {**record.sources, **{name.replace("_", " "): digest for name, digest in sources.items()}}
    return dataclasses.replace(record, point_id=point_id, result=result, sources=changed, finished_utc=finished_utc)


@pytest.fixture
def store(computed: tuple[Store, SweepPlan], tmp_path: Path) -> Store:
    shutil.copytree(computed[0].path, tmp_path / "copy")
    return Store.create(tmp_path / "copy")


@pytest.fixture
def records(store: Store) -> list[PointRecord]:
    return [record for _, record in store.records() if isinstance(record, PointRecord)]


def forget_all(store: Store) -> None:
    """What the code at hand computed is gone; whatever a test writes next is all that the store holds."""
    shutil.rmtree(store.path / "points")


def over(store: Store, x: str, **asked: Any) -> tuple[Lines, Points]:
    """The times of runs over a column."""
    request = FigureRequest(x=x, y="end_to_end_s", **asked)
    return lines_of(Tables(store, request.all_versions), request, Naming())


def times(found: Lines) -> list[float]:
    """In seconds."""
    factor = {"End-to-end latency (s)": 1.0, "End-to-end latency (ms)": 1e-3}[found.y_label]
    return [factor * value for line in found.lines for value in (*line.median, *line.low, *line.high)]


def end_to_end(tables: Tables) -> list[Any]:
    return [row[0] for row in tables.query("SELECT end_to_end_s FROM results WHERE status = 'finished'").fetchall()]


@pytest.mark.parametrize("collected", [False, True])
@pytest.mark.parametrize("finished_utc", [OLD, NEW])
def test_the_code_at_hand_is_shown_whenever_it_ran(
    store: Store, records: list[PointRecord], tmp_path: Path, finished_utc: str, collected: bool
) -> None:
    for record in records:
        store.write(another_version(record, 1, finished_utc, core="other"))
    if collected:
        collect(store)
    tables = Tables(store)
    assert tables.left_out == 8
    assert sorted(end_to_end(tables)) == sorted(each.result["end_to_end_s"] for each in records if each.result)
    figure, points = over(store, "policy.t1", hue="workload.batch")
    assert (points.left_out, points.versions) == (8, [])
    assert max(times(figure)) < 100
    everything = Tables(store, all_versions=True)
    assert (everything.left_out, len(end_to_end(everything))) == (0, 16)


def test_of_versions_that_are_not_at_hand_the_newest_is_shown(store: Store, records: list[PointRecord]) -> None:
    forget_all(store)
    for record in records:
        for number, finished_utc in ((1, OLD), (2, NEW), (3, OLD)):
            store.write(another_version(record, number, finished_utc, policy_hobbit=f"version {number}"))
    tables = Tables(store)
    assert tables.left_out == 16
    assert {value // 100 for value in end_to_end(tables)} == {2.0}


def test_seeds_that_were_not_run_again_are_left_out_rather_than_averaged(
    store: Store, records: list[PointRecord], tmp_path: Path
) -> None:
    """Of one configuration only one seed was computed by the newest code."""
    forget_all(store)
    for record in records:
        store.write(another_version(record, 1, OLD, core="old"))
        if record.experiment["seed"] == 0:
            store.write(another_version(record, 2, NEW, core="new"))
    assert {value // 100 for value in end_to_end(Tables(store))} == {2.0}
    figure, points = over(store, "policy.t1", hue="workload.batch")
    assert points.left_out == 8
    assert {value // 100 for value in times(figure)} == {2.0}


def test_configurations_merged_into_one_median_are_of_one_version(
    store: Store, records: list[PointRecord], tmp_path: Path
) -> None:
    """Batch 1 was run again after a change of the core, batch 2 was not; --x says nothing of the batch."""
    forget_all(store)
    for record in records:
        store.write(another_version(record, 1, OLD, core="old"))
        if record.experiment["workload"]["batch"] == 1:
            store.write(another_version(record, 2, NEW, core="new"))
    figure, points = over(store, "policy.t1")
    assert {value // 100 for value in times(figure)} == {2.0}
    assert points.left_out == 4 + 4  # the old ones of batch 1, and batch 2
    apart, _ = over(store, "policy.t1", all_versions=True)
    assert [line.name for line in apart.lines] == ["core new", "core old"]
    assert [{value // 100 for value in line.median} for line in apart.lines] == [{2.0}, {1.0}]
    beside, points = over(store, "workload.batch")
    assert points.versions == ["core"]  # a line over batches that were run by different code
    assert [value // 100 for line in beside.lines for value in line.median] == [2.0, 1.0]


def test_two_contents_of_one_file_are_not_averaged(store: Store, records: list[PointRecord], tmp_path: Path) -> None:
    for record in records:
        (path,) = record.files
        edited = another_version(record, 1, NEW)
        store.write(dataclasses.replace(edited, files={path: "0" * 64}))
    figure, points = over(store, "policy.t1", hue="workload.batch")
    assert {value // 100 for value in times(figure)} == {1.0}  # the newest
    assert points.left_out == 8


def test_a_pareto_plot_takes_the_seeds_of_one_version(store: Store, records: list[PointRecord], tmp_path: Path) -> None:
    for record in records:
        store.write(another_version(record, 1, OLD, core="other"))
    request = FigureRequest(kind="pareto", x="time_to_first_token_s", y="end_to_end_s", pareto="lower-left")
    figure, _ = pareto_of(Tables(store), request, Naming())
    (scatter,) = figure.scatters
    configurations: dict[str, list[float]] = {}
    for record in records:
        assert record.result is not None
        configurations.setdefault(record.configuration, []).append(record.result["end_to_end_s"])
    assert sorted(scatter.y) == pytest.approx(sorted(1e3 * statistics.median(each) for each in configurations.values()))


def test_a_search_says_how_many_points_of_other_versions_it_did_not_count(
    write_sweep: WriteSweep, tmp_path: Path
) -> None:
    path = write_sweep(grid={"workload.batch": [1, 2]}, seeds=2)
    store = Store.create(tmp_path / "store")
    goal = Goal("end_to_end_s", False)
    found = search(path, lambda: store, [goal], trials=8)
    assert found.left_out == 0
    records = [record for _, record in store.records() if isinstance(record, PointRecord)]
    for record in records:
        store.write(another_version(record, 1, NEW, core="other"))
    again = search(path, lambda: store, [goal], trials=8)
    assert (again.left_out, again.best, again.computed) == (4, found.best, 0)
