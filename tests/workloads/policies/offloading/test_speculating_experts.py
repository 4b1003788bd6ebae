"""Speculating Experts: what is fetched when, by hand; what guesses gain and what fetching again costs."""

from __future__ import annotations

from functools import cache

import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.reproduce.mean_step import decode_s
from moe_cosim.sim.run import run
from tests.workloads.hand_made import decided, one_layer, routing

NAME = "speculating-experts-qwen3-30b-a3b"
SHORT = {"workload.prompt_tokens": 4, "workload.output_tokens": 3}


def test_each_layer_fetches_the_next_one_s_experts_and_keeps_none() -> None:
    """Three layers, two experts a token, the same in every step: the first layer's come when its gate asks, the others'
    when the gate of the layer before is known; what the step before had is fetched again."""
    chosen = [(0, 1), (1, 2), (0, 2)]
    plan = decided(routing([chosen], [chosen, chosen], 3), "speculating-experts").plan
    for step in (1, 2):
        moves = plan.moves[plan.moves["step"] == step]
        expected = [(0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 2), (1, 2, 0), (1, 2, 2)]
        assert moves[["layer", "of_layer", "expert"]].tolist() == expected
    prompt = plan.moves[plan.moves["step"] == 0]
    assert (prompt["layer"] == prompt["of_layer"]).all()


def test_what_was_guessed_wrong_is_fetched_again_where_it_is_not_executed() -> None:
    chosen = [(0,), (1,)]
    options = {"execute": False}
    plan = decided(
        routing([chosen], [chosen], 3), "speculating-experts", options, assumptions={"speculating-hit-rate": 0.0}
    ).plan
    moves = plan.moves[plan.moves["step"] == 1][["layer", "of_layer", "expert"]].tolist()
    assert moves[0] == (0, 0, 0)
    assert moves[1][:2] == (0, 1)
    assert moves[1][2] != 1  # a guess, and wrong
    assert moves[2] == (1, 1, 1)


@cache
def step_s(system: str, **policy: bool) -> float:
    settings = {**SHORT, **{f"policy.{name}": value for name, value in policy.items()}}
    return decode_s(run(f"speculating-{system}-qwen3-30b-a3b", settings, keep=()))


def test_guesses_hide_no_more_than_the_computing() -> None:
    """The paper's bound: copying and computing one after the other, or the longer of the two."""
    on_demand, speculated = step_s("on-demand"), step_s("experts")
    copying = 48 * 8 * 3 * 2048 * 768 * 2 / 25.8993e9
    assert copying < speculated < on_demand < 2 * speculated


def test_fetching_again_costs_what_guesses_gain() -> None:
    """Why the paper executes what it guessed: at a hit rate of 90 % refetching is no faster than asking first."""
    assert step_s("experts") < step_s("on-demand") < step_s("experts", execute=False)


def test_buffers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"buffers of one layer in gpu.hbm: found room for 0 experts"):
        decided(
            one_layer([(0,)], [], 2), "speculating-experts", machine_set={"devices.gpu.memories.hbm.capacity": "20 MB"}
        )
