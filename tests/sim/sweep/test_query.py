import shutil
from pathlib import Path

import pytest

from moe_cosim import extras
from moe_cosim.errors import InputError
from moe_cosim.sim.sweep.plan.plan import SweepPlan
from moe_cosim.sim.sweep.query.query import Tables, results
from moe_cosim.sim.sweep.store.collect import collect
from moe_cosim.sim.sweep.store.store import Store


@pytest.fixture
def store(computed: tuple[Store, SweepPlan], tmp_path: Path) -> Store:
    shutil.copytree(computed[0].path, tmp_path / "it's a store")
    return Store.open(tmp_path / "it's a store")


WANTED = (
    'SELECT point_id, status, "workload.batch", "policy.t1", seed, variant, sweep, decode_tokens_per_s '
    "FROM results ORDER BY point_id"
)


def test_a_row_per_point_with_axes_and_metrics(store: Store, computed: tuple[Store, SweepPlan]) -> None:
    rows = {row[0]: row[1:] for row in results(store, WANTED).fetchall()}
    assert len(rows) == 10
    for point in computed[1].points:
        status, batch, t1, seed, variant, sweep, tokens_per_s = rows[point.id]
        assert (batch, t1, seed) == tuple(point.settings[key] for key in ("workload.batch", "policy.t1", "seed"))
        assert (variant, sweep) == (point.variant, "computed")
        record = store.record(point.id)
        if point.variant == "plain":
            assert record is not None
            assert record.result is not None
            assert (status, tokens_per_s) == ("finished", record.result["decode_tokens_per_s"])
        else:
            assert (status, tokens_per_s) == ("failed", None)


def test_collecting_changes_no_answer(store: Store) -> None:
    every = "SELECT * FROM results ORDER BY point_id"
    before = results(store, every).df()
    collect(store)
    after = results(store, every).df()
    assert set(after.columns) == set(before.columns)
    assert after[before.columns].equals(before)


def test_a_point_in_a_part_and_in_a_file_counts_once(store: Store) -> None:
    kept = {path: path.read_bytes() for path in (store.path / "points").rglob("*.gz")}
    collect(store)
    for path, data in list(kept.items())[:3]:  # a second host finished late
        path.write_bytes(data)
    assert results(store, "SELECT count(*), count(DISTINCT point_id) FROM results").fetchall() == [(10, 10)]


def test_pandas_and_polars_in_one_line(store: Store) -> None:
    assert results(store).df().shape == results(store.path).pl().shape
    assert results(store).df()["decode_tokens_per_s"].count() == 8


def test_nested_metrics_are_columns(store: Store) -> None:
    columns = Tables(store).columns
    for expected in (
        "units.gpu.sm.busy_s",
        "traffic.weights.link_bytes",
        "experts.hit_rate",
        "assumptions.gpu-window",
    ):
        assert expected in columns
    assert any(name.startswith("critical_path.") and name.endswith(".seconds") for name in columns)


def test_damaged_points_are_named_and_left_out(store: Store) -> None:
    victim = next((store.path / "points").rglob("*.gz"))
    victim.write_bytes(b"nothing")
    tables = Tables(store)
    assert tables.damaged == [victim.name.partition(".")[0]]
    assert tables.query("SELECT count(*) FROM results WHERE status = 'finished'").fetchall() == [(7,)]


def test_an_empty_store_has_an_empty_table(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "empty")
    assert results(store, "SELECT count(*) FROM results").fetchall() == [(0,)]


@pytest.mark.parametrize("sql", ["SELECT nothing FROM results", "SELEC", "", "\0"])
def test_bad_sql_is_one_line(store: Store, sql: str) -> None:
    with pytest.raises(InputError) as caught:
        results(store, sql)
    assert "\n" not in str(caught.value)


def test_a_missing_library_is_one_line() -> None:
    with pytest.raises(InputError, match="pip install"):
        extras.load("a_library_that_nobody_has")
