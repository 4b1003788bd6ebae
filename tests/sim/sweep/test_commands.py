import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from moe_cosim.sim.cli.main import main
from moe_cosim.sim.sweep.plan.plan import SweepPlan
from moe_cosim.sim.sweep.store.store import Store
from tests.sim.sweep.conftest import WriteSweep

ROOT = Path(__file__).parents[3]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_plan_says_points_duplicates_and_time(write_sweep: WriteSweep) -> None:
    path = write_sweep(grid={"workload.batch": [1, 2, 2]}, seeds=3)
    found = json.loads(call("sweep", "plan", path, "--json", "--workers", 2).stdout)
    assert (found["points"], found["duplicates"], found["workers"]) == (6, 3, 2)
    assert 0 < found["estimated_s"] < 600
    assert found["first"][0]["experiment"]["workload"]["batch"] == 1
    shown = call("sweep", "plan", path, "--no-estimate")
    assert "6 points, 3 duplicates" in shown.stdout


def test_the_whole_way(write_sweep: WriteSweep, tmp_path: Path) -> None:
    path, store = write_sweep(grid={"workload.batch": [1, 2]}, seeds=2), tmp_path / "a store"
    first = call("sweep", "run", path, "--out", store, "--workers", 2, "--json")
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["finished"] == 4
    again = call("sweep", "run", path, "--out", store)
    assert "0 points computed, 4 were in the store" in again.stdout
    refused = call("sweep", "run", path, "--out", store, "--no-resume")
    assert refused.exit_code == 2
    estimate = json.loads(call("sweep", "plan", path, "--out", store, "--json").stdout)["estimate"]
    assert (estimate["missing"], estimate["seconds"]) == (0, 0)
    assert json.loads(call("collect", store, "--json").stdout)["points"] == 4
    status = json.loads(call("sweep", "status", store, "--json").stdout)
    assert (status["plans"][0]["finished"], status["plans"][0]["missing"]) == (4, 0)
    assert "sweep" in call("sweep", "status", store).stdout
    rows = list(csv.DictReader(io.StringIO(call("results", store, "--csv").stdout)))
    assert sorted((row["workload.batch"], row["seed"], row["status"]) for row in rows) == [
        (batch, seed, "finished") for batch in "12" for seed in "01"
    ]
    as_json = json.loads(call("results", store, "SELECT count(*) AS n FROM results", "--json").stdout)
    assert as_json == [{"n": 4}]
    assert "finished" in call("results", store).stdout
    figure = tmp_path / "figure.pdf"
    drawn = call("plot", store, "--x", "workload.batch", "--y", "decode_tokens_per_s", "--out", figure)
    assert drawn.exit_code == 0
    assert figure.read_bytes().startswith(b"%PDF")


def test_failed_points_are_listed_and_the_status_says_so(
    computed: tuple[Store, SweepPlan], write_sweep: WriteSweep, tmp_path: Path
) -> None:
    path = write_sweep(grid={"policy.low_format": ["int4", "int5", "int8"]})
    found = call("sweep", "run", path, "--out", tmp_path / "store", "--workers", 1)
    assert found.exit_code == 1
    assert "2 points computed, 0 were in the store, 1 failed" in found.stdout
    assert "int5" in found.stderr


def test_a_sweep_that_is_wrong_in_every_point_is_refused_before_it_starts(
    write_sweep: WriteSweep, tmp_path: Path
) -> None:
    path = write_sweep(grid={"policy.no_such_option": [1, 2, 3]})
    found = call("sweep", "run", path, "--out", tmp_path / "store")
    assert found.exit_code == 2
    assert "no_such_option" in found.stderr
    assert not (tmp_path / "store").exists()


def test_search_by_command(write_sweep: WriteSweep, tmp_path: Path) -> None:
    path = write_sweep(grid={"workload.batch": [1, 2, 4]})
    goal = ("--maximize", "end_to_end_tokens_per_s")
    found = call("sweep", "search", path, "--out", tmp_path / "s", *goal, "--trials", 8, "--workers", 1, "--json")
    assert found.exit_code == 0, found.output
    assert len(json.loads(found.stdout)["best"]) == 1
    shown = call("sweep", "search", path, "--out", tmp_path / "s", *goal, "--trials", 8, "--workers", 1)
    assert "0 points computed" in shown.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("sweep", "plan", "no-such-file.yaml"),
        ("sweep", "status", "."),
        ("results", "no-such-store"),
        ("collect", "."),
        ("plot", ".", "--x", "a", "--y", "b"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments: tuple[str, ...]) -> None:
    found = call(*arguments)
    assert found.exit_code == 2
    assert found.stderr.startswith("moe-cosim: ")
    assert found.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [("--memory", "much"), ("--set", "workload.batch")])
def test_bad_options(write_sweep: WriteSweep, tmp_path: Path, options: tuple[str, str]) -> None:
    found = call("sweep", "run", write_sweep(seeds=1), "--out", tmp_path / "store", *options)
    assert found.exit_code == 2
    assert not (tmp_path / "store").exists()


def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(write_sweep: WriteSweep, tmp_path: Path) -> None:
    path, store = write_sweep(seeds=400), tmp_path / "store"
    command = [sys.executable, "-m", "moe_cosim", "sweep", "run", str(path), "--out", str(store), "--workers", "2"]
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    while process.poll() is None and not list(store.glob("points/*/*.gz")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole group
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "goes on" in errors
    done = len(Store.open(store).finished_ids())
    assert 0 < done < 400
    assert list((store / "aside").iterdir()) == []


def test_plan_says_which_of_the_points_tried_would_fail(write_sweep: WriteSweep) -> None:
    path = write_sweep(grid={"policy.low_format": ["int4", "int8", "int5"]})
    found = json.loads(call("sweep", "plan", path, "--json").stdout)
    (line,) = found["estimate"]["refused"]
    assert "int5" in line
    assert "would fail" in call("sweep", "plan", path).stdout


def test_shipped_sweeps_plan(tmp_path: Path) -> None:
    shipped = sorted((ROOT / "experiments" / "sweeps").glob("*.yaml"))
    assert len(shipped) >= 3
    for path in shipped:
        if path.stem.endswith("-space"):  # open ranges: for search
            continue
        found = call("sweep", "plan", path.stem, "--no-estimate", "--json")
        assert found.exit_code == 0, found.stderr
        assert json.loads(found.stdout)["duplicates"] == 0


def test_ctrl_c_before_the_first_point_ends_with_130_too(
    write_sweep: WriteSweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("moe_cosim.sim.sweep.plan.plan.plan_sweep", interrupted)
    found = call("sweep", "run", write_sweep(seeds=1), "--out", tmp_path / "store")
    assert found.exit_code == 130
    assert found.stderr.count("\n") == 1
