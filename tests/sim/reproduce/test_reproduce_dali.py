"""DALI: ahead of KTransformers, and of assignments that do not ask what an expert costs."""

from __future__ import annotations

from functools import cache

import pytest

from moe_cosim.experiment import load_experiment
from moe_cosim.sim.reproduce.mean_step import decode_s
from moe_cosim.sim.reproduce.papers.dali import DaliReproduction, ModelAndBatch
from moe_cosim.sim.reproduce.runs import RunKey
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run

CHOSEN = DaliReproduction(quick=True)


@cache
def _result(wanted: RunKey) -> Result:
    return run(wanted[0], dict(wanted[1]), keep=())


@pytest.mark.parametrize("quick", [False, True])
def test_every_run_is_an_experiment(quick: bool) -> None:
    chosen = DaliReproduction(quick)
    for name, settings in [*chosen.runs(), *(one for each in chosen.variants() for one in chosen.variant_runs(each))]:
        load_experiment(name, dict(settings))


@pytest.mark.parametrize("at", CHOSEN.grid)
def test_it_is_ahead_of_ktransformers_and_most_in_the_prefill(at: ModelAndBatch) -> None:
    own, rival = _result(CHOSEN._own(at)), _result(CHOSEN._rival(at))
    decode, prefill = decode_s(rival) / decode_s(own), rival.time_to_first_token_s / own.time_to_first_token_s
    assert prefill > decode > 1.2


@pytest.mark.parametrize("at", CHOSEN.grid)
def test_greedy_is_ahead_of_either_side_alone(at: ModelAndBatch) -> None:
    """Fetching all that is missing is the slowest: the link is slower than the CPU's memory."""
    greedy, cpu, gpu = (
        decode_s(_result(CHOSEN._own(at, **{"policy.assignment": who}))) for who in ("greedy", "cpu", "gpu")
    )
    assert greedy < cpu < gpu


def test_one_expert_ahead_is_best_where_experts_are_many_and_small() -> None:
    """As published; of DeepSeek-V2-Lite. Mixtral-8x7B would do without: an expert takes longer than a layer."""
    at = ModelAndBatch("deepseek-v2-lite", 32)
    steps = [decode_s(_result(CHOSEN._own(at, **{"policy.prefetch_experts": count}))) for count in (0, 1, 4)]
    assert steps[1] < min(steps[0], steps[2])
