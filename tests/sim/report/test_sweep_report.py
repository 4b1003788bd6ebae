"""``moe-cosim sweep report``: medians over seeds, the front, and every parameter against every metric."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.report.parts import Chart
from moe_cosim.sim.report.sweeps import sections
from moe_cosim.sim.report.sweeps.points import SweepPoints, sweep_points
from moe_cosim.sim.sweep.query.query import Tables
from moe_cosim.sim.sweep.store.record import PointRecord
from moe_cosim.sim.sweep.store.store import Store
from tests.sim.report.browser import Browser
from tests.sim.tiny import cli

SPEEDS = {("16 GB/s", 1): 2.0, ("16 GB/s", 2): 4.0, ("32 GB/s", 1): 3.0, ("32 GB/s", 2): 9.0}
JOULES = {("16 GB/s", 1): 1.0, ("16 GB/s", 2): 2.0, ("32 GB/s", 1): 4.0, ("32 GB/s", 2): 8.0}
"""By link and experts; (32 GB/s, 1) is the one that another beats in both."""
SEEDS = (0.5, 1.0, 1.5)
"""Factors of the speed, whose median is 1."""


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    found = Store.create(tmp_path_factory.mktemp("swept") / "store")
    number = 0
    for (link, experts), speed in SPEEDS.items():
        for seed, factor in enumerate(SEEDS):
            number += 1
            experiment = {
                "assumptions": {"cxl-link-rate": link},
                "policy": {"name": "cxl-ndp", "gpu_experts": experts},
                "seed": seed,
            }
            result: dict[str, Any] = {
                "decode_tokens_per_s": speed * factor,
                "energy": {"decode_joules_per_token": JOULES[link, experts]},
                "end_to_end_s": 1.0,
            }
            found.write(
                PointRecord(
                    f"{number:032x}",
                    "finished",
                    experiment,
                    {},
                    {"core": "a"},
                    "1",
                    "host",
                    1.0,
                    "2026-01-01T00:00:00+00:00",
                    result,
                )
            )
    return found


@pytest.fixture(scope="session")
def points(store: Store) -> SweepPoints:
    tables = Tables(store)
    tables.axes = ["assumptions.cxl-link-rate", "policy.gpu_experts", "seed"]  # a plan would say so
    return sweep_points(tables)


def test_configurations_are_medians_over_their_seeds(points: SweepPoints) -> None:
    assert [axis.column for axis in points.axes] == ["assumptions.cxl-link-rate", "policy.gpu_experts"]
    assert [axis.called.text() for axis in points.axes] == ["CXL link rate (B/s)", "GPU experts (per layer)"]
    assert [metric.name for metric in points.metrics] == ["Decode throughput", "Energy per decoded token"]
    found = {each.values: (*each.figures, each.seeds) for each in points.configurations}
    assert found == {
        (float(link.split()[0]) * 1e9, experts): (speed, JOULES[link, experts], len(SEEDS))
        for (link, experts), speed in SPEEDS.items()
    }


def test_the_front_is_what_nothing_beats(points: SweepPoints) -> None:
    (panel,) = sections.front(points).panels
    (chart,) = panel.parts
    assert isinstance(chart, Chart)
    line, marks = chart.spec["layer"]
    assert [(each["x"], each["y"]) for each in line["data"]["values"]] == [(1.0, 2.0), (2.0, 4.0), (8.0, 9.0)]
    assert line["mark"]["interpolate"] == "step-after"  # of less energy is better what holds to the right
    assert sum("front" in mark["tip"] for mark in marks["data"]["values"]) == 3


def test_every_parameter_stands_against_every_metric(points: SweepPoints) -> None:
    panels = sections.parameters(points).panels
    assert [len(panel.parts) for panel in panels] == [2, 2]
    for panel in panels:
        for chart in panel.parts:
            assert isinstance(chart, Chart)
            assert len(chart.spec["layer"][1]["data"]["values"]) == len(SPEEDS)


def test_the_table_begins_with_the_best(points: SweepPoints) -> None:
    (panel,) = sections.table(points).panels
    assert list(panel.parts[0].rows[0]) == ["32 GB/s", "2 per layer", "9 tokens/s", "8 J/token", "3"]  # type: ignore[union-attr]


def test_the_file_is_drawn(store: Store, browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "sweep.html"
    found = cli(
        "sweep", "report", store.path, "-o", path, "--metric", "decode_tokens_per_s", "--metric", "end_to_end_s"
    )
    assert found.exit_code == 0, found.output
    browser.open(path, 800)
    assert browser.seen.said == []
    assert browser.seen.requested == [path.resolve().as_uri()]
    assert browser.evaluate("document.querySelectorAll('figure.chart[data-drawn] svg').length") > 0


def test_unknown_metrics_and_empty_stores_are_refused(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "sweep.html"
    found = cli("sweep", "report", store.path, "-o", out, "--metric", "decode_tokens")
    assert found.exit_code == 2
    assert "did you mean 'decode_tokens_per_s'?" in found.stderr
    with pytest.raises(InputError, match="allowed: a column of numbers"):
        sweep_points(Tables(store), ["policy.name"])
    empty = Store.create(tmp_path / "empty")
    found = cli("sweep", "report", empty.path, "-o", out)
    assert (found.exit_code, found.stderr) == (
        2,
        "moe-cosim: sweep report: STORE: found no finished point; allowed: a store with a point that is finished\n",
    )
    assert not out.exists()
