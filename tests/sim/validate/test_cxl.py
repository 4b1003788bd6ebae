"""Loaded latency: what is compared, what is refused, and the published curves where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from moe_cosim.sim.validate.kind import Choices
from moe_cosim.sim.validate.validate import validate
from tests.sim.validate.conftest import Write, is_refused, validated

CXL: dict[str, str] = {
    "server": "cxl",
    "cpu_node": "1",
    "cores": "16",
    "mlc_w": "0",
    "random": "0",
    "inject_delay": "0",
    "latency_ns": "800",
    "bandwidth_MBps": "48000",
}
CURVES = Path(__file__).parents[4] / "shared/data/tables/cxl_asic_loaded_latency.csv"


def test_a_curve_has_its_saturation_its_idle_latency_and_a_latency_for_every_load(write: Write) -> None:
    idle = {"inject_delay": "20000", "latency_ns": "250", "bandwidth_MBps": "900"}
    some = {"inject_delay": "500", "latency_ns": "310", "bandwidth_MBps": "23000"}
    rows = validated("--data", write(CXL, {}, some, idle))["rows"]
    assert [(row["metric"], row["line"]) for row in rows] == [
        ("saturated bandwidth", 2),
        ("loaded latency", 2),
        ("loaded latency", 3),
        ("idle latency", 4),
        ("saturated bandwidth (engine)", 2),
        ("loaded latency (engine)", 2),
        ("loaded latency (engine)", 3),
        ("idle latency (engine)", 4),
    ]
    assert rows[0]["predicted"] == pytest.approx(48.19, abs=0.01)  # 4/5 of 64 of 68 bytes of 64 GB/s
    assert rows[1]["predicted"] > rows[2]["predicted"] > rows[3]["predicted"] >= 250
    assert rows[4]["predicted"] == pytest.approx(rows[0]["predicted"], rel=0.02)
    assert rows[5]["predicted"] > rows[6]["predicted"] > rows[7]["predicted"] >= 250


def test_curves_that_a_constant_saw_are_fitted(write: Write) -> None:
    path = write(CXL, {}, {"cpu_node": "0"}, {"cpu_node": "3", "random": "1"})
    rows = validated("cxl", "--data", path)["rows"]
    assert {(row["line"], row["fitted"]) for row in rows} == {(2, False), (3, True), (4, False)}


def test_servers_nodes_and_mixes_without_a_model_are_refused(write: Write) -> None:
    path = write(CXL, {}, {"server": "hbm"}, {"cpu_node": "9"}, {"mlc_w": "3"})
    why = [row["why"] for row in validated("cxl", "--data", path)["refused"]]
    assert why == [
        "no model of node 1 of server 'hbm'",
        "no model of node 9 of server 'cxl'",
        "mlc_w 3: known are 0, 2, 5",
    ]


@pytest.mark.parametrize(
    ("column", "found", "allowed"),
    [("latency_ns", "-1", "a positive number"), ("random", "2", "0 or 1"), ("cores", "0", "a positive number")],
)
def test_numbers_that_are_none_are_one_line(write: Write, column: str, found: str, allowed: str) -> None:
    is_refused(write(CXL, {column: found}), f"line 2, {column}", f"'{found}'", allowed, "cxl")


@pytest.mark.skipif(not CURVES.is_file(), reason="the published curves are not here")
def test_published_curves_of_the_expander() -> None:
    found = validate("cxl", CURVES, Choices())
    assert not found.refused
    assert sum(row.fitted for row in found.rows) < len(found.rows) / 3
    near = [row for row in found.rows if row.groups["place"] in ("cxl, node 0", "cxl, node 1")]
    for row in near:
        if row.metric == "idle latency":
            assert abs(row.error) <= 0.10
        if row.metric == "saturated bandwidth" and "random" not in row.what:
            assert abs(row.error) <= 0.05
    loaded = [abs(row.error) for row in near if row.metric == "loaded latency"]
    assert sum(error <= 0.20 for error in loaded) >= 0.9 * len(loaded)
    engine = [abs(row.error) for row in near if row.metric == "loaded latency (engine)"]
    assert sum(engine) / len(engine) <= 0.10
    assert sum(error <= 0.20 for error in engine) >= 0.95 * len(engine)
    for row in near:
        if row.metric == "saturated bandwidth (engine)" and "two reads for a write, random" not in row.what:
            assert abs(row.error) <= 0.05
        if row.metric == "idle latency (engine)":
            assert abs(row.error) <= 0.10
