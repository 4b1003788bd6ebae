"""Comparing two runs: parts sum to the decode time, and the change of units is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment
from moe_cosim.sim.cli.main import main
from moe_cosim.sim.compare.compare import compare
from moe_cosim.sim.compare.compared_run import ComparedRun
from moe_cosim.sim.compare.speedups import baselines
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run

BASE = Experiment(
    name="small",
    machine={"use": "h100-amx-dimm-ndp"},
    model="deepseek-v2-lite",
    routing={"source": "batch"},
    workload={"batch": 64, "prompt_tokens": 8, "output_tokens": 4},
    policy={"name": "trimoe", "gpu_experts": 4},
    kv_cache="near-data",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("runs")
    without, with_cpu = str(folder / "without"), str(folder / "with")
    run(BASE, {"policy.cpu": False, "policy.refine": False, "policy.relayout": False}, out=without)
    run(BASE, out=with_cpu)
    return without, with_cpu


def test_the_critical_paths_parts_sum_to_a_decode_step(folders: tuple[str, str]) -> None:
    found = compare(*folders)
    for side, folder in zip(("a", "b"), folders, strict=True):
        result = Result.load(folder)
        assert sum(row[side] for row in found.critical_path) == pytest.approx(
            result.decode_s / result.decode_steps, rel=1e-3
        )


def test_experts_that_moved_to_the_cpu_are_named(folders: tuple[str, str]) -> None:
    found = compare(*folders)
    assert any("more on cpu" in sentence for sentence in found.changed)
    for side in ("a", "b"):
        result = Result.load(folders[0] if side == "a" else folders[1])
        assert sum(row[side] for row in found.experts) == pytest.approx(
            sum(row.runs_per_layer for row in result.expert_classes)
        )


def test_a_run_compared_with_itself_has_not_changed(folders: tuple[str, str]) -> None:
    found = compare(folders[0], folders[0])
    assert found.changed == []
    assert all(row["a"] == row["b"] for table in (found.critical_path, found.units, found.moves) for row in table)


def test_the_command_prints_tables_and_json(folders: tuple[str, str]) -> None:
    shown = CliRunner().invoke(main, ["compare", *folders])
    assert shown.exit_code == 0, shown.output
    for title in ("critical path of a decode step", "idle in decode", "experts run per layer"):
        assert title in shown.output
    printed = CliRunner().invoke(main, ["compare", *folders, "--json"])
    assert set(json.loads(printed.output)) >= {"critical_path", "units", "moves", "experts", "changed"}


def test_a_folder_without_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"result\.json"):
        ComparedRun.load("a", str(tmp_path))
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(InputError, match="finished run"):
        ComparedRun.load("a", str(tmp_path))


@pytest.fixture(scope="module")
def four(folders: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two systems under two loads."""
    folder = tmp_path_factory.mktemp("loads")
    klotski = {"policy": {"name": "klotski"}, "kv_cache": "gpu"}
    for name, changes in {
        "trimoe-8": {"workload.batch": 8},
        "klotski-64": klotski,
        "klotski-8": {**klotski, "workload.batch": 8},
    }.items():
        run(BASE, changes, out=str(folder / name))
    return [folders[1], *(str(folder / name) for name in ("trimoe-8", "klotski-64", "klotski-8"))]


def test_each_run_is_measured_against_the_baseline_of_its_load(four: list[str]) -> None:
    found = compare(*four, baseline="klotski")
    assert found.baselines == {"a": "c", "b": "d", "c": "c", "d": "d"}
    results = [Result.load(source) for source in four]
    (rate,) = [row for row in found.speedups if row["what"] == "decode_tokens_per_s"]
    (time,) = [row for row in found.speedups if row["what"] == "decode_s"]
    rates = [result.decode_tokens_per_s or 0 for result in results]
    assert [rate[letter] for letter in "abcd"] == pytest.approx([rates[0] / rates[2], rates[1] / rates[3], 1, 1])
    assert [time[letter] for letter in "ab"] == pytest.approx(
        [results[2].decode_s / results[0].decode_s, results[3].decode_s / results[1].decode_s]
    )
    means = {(row["system"], row["what"]): row for row in found.geomeans}
    assert means["trimoe", "decode_s"]["geomean"] == pytest.approx((time["a"] * time["b"]) ** 0.5)
    assert means["trimoe", "decode_s"]["runs"] == 2
    assert means["klotski", "joules_per_token"]["geomean"] == pytest.approx(1)
    for row in found.critical_path:
        assert all(row[letter] >= 0 for letter in "abcd")


def test_a_run_by_its_name_is_the_baseline_of_all(four: list[str]) -> None:
    found = compare(*four, baseline="trimoe-8")
    assert set(found.baselines.values()) == {"b"}
    assert set(compare(*four).baselines.values()) == {"a"}
    assert [sentence[0] for sentence in found.unlike] == ["A", "C"]
    assert compare(*four, baseline="klotski").unlike == []
    assert all(row["b"] == pytest.approx(1) for row in found.speedups)


@pytest.mark.parametrize(
    ("runs", "options", "named"),
    [
        (4, ("--baseline", "monde"), "--baseline: found 'monde'"),
        (3, ("--baseline", "trimoe"), ""),
        (1, (), "RUN: found 1 runs; allowed: 2 to 26 runs"),
    ],
)
def test_a_baseline_that_is_not_there_is_one_line(
    four: list[str], runs: int, options: tuple[str, ...], named: str
) -> None:
    found = CliRunner().invoke(main, ["compare", *four[:runs], *options])
    assert (found.exit_code, found.stderr.count("\n")) == ((2, 1) if named else (0, 0)), found.output
    assert named in found.stderr


def test_among_several_baselines_one_has_the_load_of_the_run(four: list[str]) -> None:
    runs = [ComparedRun.load(letter, source) for letter, source in zip("abcd", four, strict=True)]
    other = replace(runs[0], experiment=runs[0].experiment.with_settings({"workload.batch": 16}))
    with pytest.raises(InputError, match="none of the load of"):
        baselines([other, *runs[1:]], "klotski")
    assert baselines([other, *runs[1:3]], "klotski")["a"] == runs[2]  # there is no other


def test_four_runs_stand_beside_each_other(four: list[str]) -> None:
    shown = CliRunner().invoke(main, ["compare", *four, "--baseline", "klotski"])
    assert shown.exit_code == 0, shown.output
    for text in ("times better over the baseline of its load", "geometric mean over the runs of a system"):
        assert text in shown.output
    found = CliRunner().invoke(main, ["compare", *four, "--baseline", "klotski", "--table", "geomeans", "--csv"])
    assert found.output.splitlines()[0] == "system,what,runs,geomean"
