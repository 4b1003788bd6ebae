"""Comparing two runs: parts sum to the decode time, and the change of units is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment
from moe_cosim.sim.cli.main import main
from moe_cosim.sim.compare import compare, load
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
        result = load(folder)
        assert sum(row[side] for row in found.critical_path) == pytest.approx(
            result.decode_s / result.decode_steps, rel=1e-3
        )


def test_experts_that_moved_to_the_cpu_are_named(folders: tuple[str, str]) -> None:
    found = compare(*folders)
    assert any("more on cpu" in sentence for sentence in found.changed)
    for side in ("a", "b"):
        result = load(folders[0] if side == "a" else folders[1])
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
        load(str(tmp_path))
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(InputError, match="finished run"):
        load(str(tmp_path))
