"""Kernels: what is predicted, what is refused, what is printed."""

from __future__ import annotations

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.alone import time_alone_ps
from moe_cosim.hw_models.build import build_machine
from moe_cosim.hw_models.formats import find_format
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.sim.validate.statistics import Statistics
from tests.sim.tiny import cli
from tests.sim.validate.conftest import KERNELS, Write, validated


def test_the_document_has_the_agreed_form(write: Write) -> None:
    path = write(KERNELS, {"fitted": "true"}, {"tokens": "128", "dtype": "fp8 w8a8", "fitted": "false"})
    printed = validated("kernels", "--data", path)
    figures = {"n", "mean_abs", "median_abs", "p95_abs", "worst", "bias"}
    lists = {"rows", "groups", "rankings", "refused", "assumptions"}
    assert printed.keys() == figures | lists | {"fitted", "not_fitted", "version"}
    assert printed["n"] == len(printed["rows"]) == 2
    assert printed["refused"] == []
    for row in printed["rows"]:
        assert row["error"] == (row["predicted"] - row["measured"]) / row["measured"]
        assert row["measured"] == 480
        assert row["unit"] == "us"
    errors = [row["error"] for row in printed["rows"]]
    assert {name: printed[name] for name in figures} == Statistics.of(errors).as_dict()
    assert printed["fitted"] == Statistics.of(errors[:1]).as_dict()
    assert printed["not_fitted"] == Statistics.of(errors[1:]).as_dict()


def test_groups_hold_every_row_once_for_each_thing_they_are_grouped_by(write: Write) -> None:
    path = write(KERNELS, {"fitted": "yes"}, {"tokens": "4", "fitted": ""}, {"tokens": "2000", "fitted": "no"})
    printed = validated("kernels", "--data", path)
    by: dict[str, int] = {}
    for group in printed["groups"]:
        by[group["by"]] = by.get(group["by"], 0) + group["n"]
    assert by == dict.fromkeys(("all", "device", "model", "dtype", "tokens", "framework", "kernel"), 3)
    tokens = {(group["group"], group["fitted"]) for group in printed["groups"] if group["by"] == "tokens"}
    assert tokens == {("9-64", True), ("1-8", False), ("over 1024", False)}
    one = next(group for group in printed["groups"] if group["group"] == "1-8")
    assert one["bias"] == printed["rows"][1]["error"]


def test_the_kernel_takes_a_launch_and_the_longer_of_model_and_traffic(write: Write) -> None:
    """Asked of a whole machine with the same GPU."""
    (row,) = validated("kernels", "--data", write(KERNELS, {"tokens": "4096"}))["rows"]
    machine = build_machine("h100-host", Assumptions())
    unit, shape, weights = machine.main_unit, ExpertShape(4096, 7168), find_format("bf16")
    assert unit.model is not None
    tokens, nothing = np.full(8, 4096 * 2 // 8), np.zeros(8, np.int64)
    busy_ps = int(unit.model.experts_ps(tokens, nothing, shape, (weights,), nothing).sum())
    rows_bytes = 4096 * 2 * 4096 * 2
    reads, writes = {"gpu.hbm": 8 * weights.expert_bytes(shape) + rows_bytes}, {"gpu.hbm": rows_bytes}
    alone_ps = time_alone_ps(machine, "gpu.sm", reads, busy_ps, unit.model.expert_launch_ps, writes)
    assert row["predicted"] == pytest.approx(alone_ps / 1e6)


def test_distinct_experts_are_those_of_the_row_or_those_expected(write: Write) -> None:
    """One token of top-2 reads two experts; of four that a row names, it reads as many as it has runs."""
    path = write(
        KERNELS,
        {"tokens": "1", "expected_distinct_experts_uniform": ""},
        {"tokens": "1", "expected_distinct_experts_uniform": "2.0"},
        {"tokens": "1", "expected_distinct_experts_uniform": "4"},
        {"tokens": "8", "expected_distinct_experts_uniform": "2"},
    )
    one, same, more, fewer = (row["predicted"] for row in validated("kernels", "--data", path)["rows"])
    assert one == same == more
    assert one < fewer < 1.2 * one


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"device": "Abacus 3"}, "no GPU of the catalogue is 'Abacus 3'"),
        ({"dtype": "fp13"}, "no weight format of the catalogue is 'fp13'"),
        ({"top_k": "9"}, "top_k 9 of 8 experts"),
    ],
)
def test_what_cannot_be_predicted_is_listed(write: Write, change: dict[str, str], why: str) -> None:
    printed = validated("kernels", "--data", write(KERNELS, {}, change))
    assert printed["n"] == 1
    (refused,) = printed["refused"]
    assert (refused["why"], refused["line"]) == (why, 3)
    assert refused["row"] == KERNELS | change


def test_with_nothing_to_compare_there_are_no_figures(write: Write) -> None:
    printed = validated("kernels", "--data", write(KERNELS, {"device": "Abacus 3"}))
    assert (printed["n"], printed["mean_abs"], printed["rows"], printed["groups"]) == (0, None, [], [])


def test_people_see_lines_refused_for_one_reason_together(write: Write) -> None:
    path = write(KERNELS, {}, {"device": "Abacus 3"}, {"device": "Abacus 3", "tokens": "2"})
    shown = cli("validate", "--data", path)
    assert shown.exit_code == 0
    assert "3-4" in shown.stdout
    assert shown.stdout.count("no GPU of the catalogue") == 1
    table = cli("validate", "--data", path, "--csv", "--table", "refused").stdout.splitlines()
    assert table[0] == "kind,file,line,why"
    assert len(table) == 3


def test_a_device_without_measured_tables_is_refused_where_they_are_asked_for(write: Write) -> None:
    (refused,) = validated("--data", write(KERNELS, {"device": "RTX 5080"}), "--model", "measured")["refused"]
    assert "--model: found 'rtx-5080-measured'" in refused["why"]


def test_constants_of_another_framework(write: Write) -> None:
    path = write(KERNELS)
    (own,), (other,) = (validated("--data", path, *fit)["rows"] for fit in ((), ("--fit", "sglang")))
    assert own["predicted"] != other["predicted"]
    assert validated("--data", path, "--model", "tile")["rows"] == [own]
    found = cli("validate", "--data", path, "--fit", "nobody")
    assert found.exit_code == 2
    assert found.stderr.startswith("moe-cosim: command line: --fit: found 'nobody'")
