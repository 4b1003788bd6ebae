"""Hermes on OPT-13B: systems rank as published, and two parts of its ablation gain in the published order."""

from __future__ import annotations

from functools import cache
from typing import Any

from moe_cosim.sim.reproduce.papers import hermes
from moe_cosim.sim.reproduce.papers.hermes import HermesReproduction, end_to_end_s, mlp_s
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run

SHORT = {"workload.prompt_tokens": 32, "workload.output_tokens": 8, "workload.skipped_tokens": 0}


@cache
def took(part: str) -> Result:
    settings: dict[str, dict[str, Any]] = {**hermes._PARTS, "base": hermes._BASE, "host": hermes._HOST}
    return run("hermes-opt-13b", {**SHORT, **settings[part]}, keep=())


def test_hermes_is_faster_than_its_base_and_than_a_host() -> None:
    own = end_to_end_s(took("hermes"))
    assert end_to_end_s(took("base")) > 2 * own
    assert end_to_end_s(took("host")) > 1.4 * own


def test_the_map_gains_more_than_the_remapping_and_both_do() -> None:
    by_map = mlp_s(took("random")) / mlp_s(took("partition"))
    by_remapping = mlp_s(took("adjustment")) / mlp_s(took("hermes"))
    assert by_map > by_remapping > 1.01


def test_the_predictor_is_right_as_often_as_published() -> None:
    assert abs(took("hermes").policy_report["predicted_right"] - 0.98) < 0.01


def test_its_cells_are_those_of_the_paper() -> None:
    chosen = HermesReproduction(quick=True)
    cells = {cell.cell: cell.published for cell in chosen.cells(lambda wanted: took("hermes"))}
    assert cells["opt-66b"] == 20.37
    assert cells["llama2-70b"] == 13.75
    assert cells["adjustment over partition"] == 1.33
    variant = chosen.variants()[1]
    found = chosen.variant_cells(variant, lambda wanted: took("hermes"))
    assert found["over Hermes-base, opt-66b"] == 1.0
    settings = [dict(wanted[1]) for wanted in chosen.variant_runs(variant)]
    assert sum("assumptions.hermes-dimm-share" in each for each in settings) == 3  # the host has no modules
