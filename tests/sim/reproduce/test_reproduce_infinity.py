"""MoE-Infinity's testbed: systems rank as published, and what carries the rows is seen."""

from __future__ import annotations

from functools import cache

from moe_cosim.sim.reproduce.mean_step import decode_s
from moe_cosim.sim.reproduce.papers.infinity import MIXTRAL, MoeInfinityReproduction
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run

SHORT = {"workload.prompt_tokens": 16, "workload.output_tokens": 17}


@cache
def took(experiment: str, dispatch: str | None = None) -> Result:
    more = {} if dispatch is None else {"assumptions.moe-infinity-dispatch": dispatch}
    return run(experiment, {**SHORT, **more}, keep=())


def test_it_is_faster_than_mixtral_offloading_and_that_than_fetching_on_demand() -> None:
    own, offloading, on_demand = (
        decode_s(took(name))
        for name in (f"moe-infinity-{MIXTRAL}", f"infinity-lru-{MIXTRAL}", f"infinity-on-demand-{MIXTRAL}")
    )
    assert own < offloading < on_demand


def test_every_expert_of_a_token_is_handed_over() -> None:
    name = "moe-infinity-mixtral-8x7b"
    added = took(name).decode_s - took(name, "0 ns").decode_s
    assert abs(added / (16 * 32 * 2 * 770e-6) - 1) < 0.02


def test_the_rows_are_those_of_its_readme() -> None:
    chosen = MoeInfinityReproduction(quick=True)
    found = {cell.cell: cell.published for cell in chosen.cells(lambda wanted: took("moe-infinity-mixtral-8x7b"))}
    assert found["mixtral-8x7b"] == 0.736
    assert found["deepseek-v2-lite (fitted)"] == 0.155
    assert len(chosen.variant_runs(chosen.variants()[0])) == 2
