"""SQL of strangers over a store: what it must not reach, and names that are SQL."""

import dataclasses
import json
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from moe_cosim import extras
from moe_cosim.errors import InputError, RunError
from moe_cosim.sim.figures.plot import plot
from moe_cosim.sim.figures.request import FigureRequest
from moe_cosim.sim.sweep.plan.plan import SweepPlan
from moe_cosim.sim.sweep.query import locked
from moe_cosim.sim.sweep.query.query import Tables, results
from moe_cosim.sim.sweep.store.collect import collect
from moe_cosim.sim.sweep.store.store import Store
from tests.sim.tiny import cli

ENDLESS = "SELECT count(*) FROM range(1000000000000) AS a, range(1000) AS b"


@pytest.fixture
def store(computed: tuple[Store, SweepPlan], tmp_path: Path) -> Store:
    shutil.copytree(computed[0].path, tmp_path / "store")
    return Store.open(tmp_path / "store")


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{out}'",
        "SELECT 1; COPY (SELECT 1) TO '{out}'",
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM glob('{folder}/*')",
        "ATTACH '{out}'",
        "EXPORT DATABASE '{out}'",
        "DROP VIEW results",
        "CREATE TABLE more AS SELECT 1",
        "SET memory_limit = '1TB'",
        "PRAGMA memory_limit = '1TB'",
        "SELECT set_config('memory_limit', '1TB')",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM found",
    ],
)
@pytest.mark.parametrize("compacted", [pytest.param(False, marks=pytest.mark.slow), True])
def test_sql_reads_the_store_and_nothing_else(store: Store, tmp_path: Path, sql: str, compacted: bool) -> None:
    secret, out = tmp_path / "secret.csv", tmp_path / "out"
    secret.write_text("a\n1\n", encoding="utf-8")
    if compacted:
        collect(store)
    found = Tables(store)
    with pytest.raises(InputError):
        found.query(sql.format(secret=secret, out=out, folder=tmp_path))
    assert not out.exists()
    assert found.query("SELECT count(*) FROM results").fetchall() == [(10,)]


def test_a_part_of_the_store_is_not_written(store: Store) -> None:
    collect(store)
    (part,) = (store.path / "parts").iterdir()
    before = part.read_bytes()
    with pytest.raises(InputError):
        results(store, f"COPY (SELECT 1) TO '{part}' (USE_TMP_FILE false)")
    assert part.read_bytes() == before


def test_an_axis_of_a_forged_store_is_a_name_and_no_sql(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    name = f"seed\" AS VARCHAR), '')) FROM results; COPY (SELECT 1) TO '{out}'; SELECT count(nullif(CAST(\"seed"
    plan = store.plan(store.plan_ids()[0])
    store.add_plan(dataclasses.replace(plan, axes=(*plan.axes, name)))
    record = next(each for _, each in store.records() if not isinstance(each, Exception))
    store.write(dataclasses.replace(record, experiment={**record.experiment, name: 1}))
    tables = Tables(store)
    assert name in tables.query(tables.headline()).columns
    assert not out.exists()
    figure = plot(
        [store], FigureRequest(x="seed", y="decode_tokens_per_s", hue="workload.batch"), tmp_path / "figure.csv"
    )
    assert figure.path.is_file()
    assert not out.exists()


def test_the_condition_of_a_plot_is_locked_too(store: Store, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n", encoding="utf-8")
    for condition in (f"1 = (SELECT a FROM read_csv('{secret}'))", f"true; COPY (SELECT 1) TO '{tmp_path}/out' --"):
        with pytest.raises(InputError):
            plot(
                [store], FigureRequest(x="seed", y="decode_tokens_per_s", condition=condition), tmp_path / "figure.csv"
            )
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "figure.csv").exists()


@pytest.mark.parametrize("name", ['a"b', "a.b", 'x"; SELECT 1 --', "line\nbreak", "select", "'", "ü"])
def test_a_quoted_name_is_that_name(name: str) -> None:
    connection = extras.load("duckdb").connect()
    assert connection.sql(f"SELECT {locked.literal(name)} AS {locked.identifier(name)}").fetchall() == [(name,)]
    assert connection.sql(f"SELECT 1 AS {locked.identifier(name)}").columns == [name]


def test_a_query_without_end_ends_at_its_limit() -> None:
    connection = extras.load("duckdb").connect()
    with pytest.raises(RunError, match=r"more than 0\.3 s"):
        locked.select(connection, ENDLESS, limit_s=0.3)
    assert locked.select(connection, "SELECT 1").fetchall() == [(1,)]


def test_a_query_hears_ctrl_c() -> None:
    connection = extras.load("duckdb").connect()
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        locked.select(connection, ENDLESS, limit_s=30)


@pytest.mark.parametrize(
    "value",
    ["'nan'::DOUBLE", "['inf'::DOUBLE]", "{'a': 'inf'::DOUBLE}", "MAP {1: 2}", "1::BLOB", "'1.5'::DECIMAL(4,2)"],
)
@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_whatever_a_query_answers_is_printed(store: Store, value: str, form: str) -> None:
    outcome = cli("results", store.path, f"SELECT {value} AS x", form)
    assert outcome.exit_code in (0, 2), outcome.exception
    if form == "--json" and outcome.exit_code == 0:
        json.loads(outcome.stdout, parse_constant=pytest.fail)
