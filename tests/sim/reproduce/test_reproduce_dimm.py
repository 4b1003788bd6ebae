"""The reproductions of DIMM-NDP machines: every run is described, cells and sensitivity have one form."""

from __future__ import annotations

import json
import math

import pytest
from click.testing import CliRunner

from moe_cosim.experiment import load_experiment
from moe_cosim.sim.cli.main import main
from moe_cosim.sim.reproduce.base import registry
from moe_cosim.workloads.prepare import draw

NAMES = ("trimoe", "edge-ndp")


@pytest.mark.parametrize("name", NAMES)
def test_every_run_is_an_experiment(name: str) -> None:
    """Names, settings and assumptions all exist, for the cells and for every variant."""
    for quick in (False, True):
        chosen = registry.get(name)(quick)
        wanted = [*chosen.runs(), *(run for variant in chosen.variants() for run in chosen.variant_runs(variant))]
        for experiment, settings in dict.fromkeys(wanted):
            load_experiment(experiment, dict(settings))


def test_edge_ndp_prints_the_common_form() -> None:
    found = CliRunner().invoke(
        main, ["reproduce", "edge-ndp", "--quick", "--no-sensitivity", "--json", "--workers", "1"]
    )
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert set(document) >= {"name", "title", "cells", "assumptions", "sensitivity", "notes", "runs", "wall_s"}
    for cell in document["cells"]:
        assert set(cell) >= {"figure", "cell", "published", "simulated", "ratio"}
        assert math.isfinite(cell["simulated"])
        assert cell["simulated"] > 0
    assert {row["name"] for row in document["assumptions"]} >= {"edge-kernel-launch", "pcie5-efficiency"}


def test_the_machine_of_the_second_seed_is_drawn() -> None:
    scenario = draw(load_experiment("trimoe-glm-4.5-air", {"workload.batch": 16, "workload.prompt_tokens": 4}))
    assert len(scenario.machine.near_data_units) == 16
    assert scenario.workload.decode_context == 4 + 124
