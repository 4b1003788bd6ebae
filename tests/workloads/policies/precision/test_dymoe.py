"""DyMoE: critical experts by gate score and depth, what becomes of the others, and a cache of two precisions."""

from __future__ import annotations

import math
from typing import Any

import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.policies.parts.gate_rank import best_ranks
from moe_cosim.workloads.policies.precision.dymoe import retained
from moe_cosim.workloads.routing.routing import Routing
from tests.workloads.hand_made import Decided, decided, one_layer, routing

ALONE = {"prefetch": False}
STRENGTHS = {0: 4.0, 1: 3.0, 2: 2.0, 3: 1.0}


def made(routed: Routing, accuracy: float = 1.0, **options: Any) -> Decided:
    assumed = {"dymoe-look-ahead-accuracy": accuracy}
    return decided(routed, "dymoe", {**ALONE, **options}, assumptions=assumed, expert_format="int4")


def bits_of(found: Decided, step: int, layer: int = 0) -> dict[int, int]:
    """Width of every expert that was run, 0 for skipped ones."""
    plan = found.plan
    runs, skips = (rows[(rows["step"] == step) & (rows["layer"] == layer)] for rows in (plan.runs, plan.skips))
    ran = {int(run["expert"]): plan.formats[run["format"]].bits for run in runs}
    return ran | {int(skip["expert"]): 0 for skip in skips}


def test_the_share_of_critical_experts_falls_along_a_cosine() -> None:
    """r(l) = r_last + (1 - r_last) (1 + cos(pi l / (L - 1))) / 2 over five layers with a mean of 0.75, so r_last = 0.5:
    1, 0.5 + 0.25 (1 + 1 / sqrt 2), 0.75, 0.5 + 0.25 (1 - 1 / sqrt 2), 0.5."""
    half = math.sqrt(0.5)
    assert retained(5, 0.75).tolist() == pytest.approx([1, 0.75 + half / 4, 0.75, 0.75 - half / 4, 0.5])
    assert retained(32, 0.6).mean() == pytest.approx(0.6)


def test_shallow_layers_keep_more_at_the_high_precision() -> None:
    """Of four experts a token, by the shares above: 4, 3.71, 3, 2.29 and 2, to the nearest 4, 4, 3, 2 and 2. Those that
    are left have the least gate weights."""
    chosen = [(3, 2, 1, 0)] * 5
    found = made(routing([[(4, 5, 6, 7)] * 5], [chosen], 8, weights=STRENGTHS))
    low = [{expert for expert, bits in bits_of(found, 1, layer).items() if bits == 2} for layer in range(5)]
    assert low == [set(), set(), {3}, {3, 2}, {3, 2}]
    left_out = made(routing([[(4, 5, 6, 7)] * 5], [chosen], 8, weights=STRENGTHS), low_format=None)
    assert bits_of(left_out, 1, 3) == {0: 4, 1: 4, 2: 0, 3: 0}


def test_in_the_prefill_experts_with_the_most_tokens_are_critical() -> None:
    """Of the last layer's four half are: whatever gate weights say."""
    prompt = [[(0, 1), (0, 3)], [(0, 1), (1, 3)], [(0, 1), (2, 3)], [(0, 1), (2, 3)]]
    found = made(routing(prompt, [], 4, weights=STRENGTHS))
    assert bits_of(found, 0, 1) == {3: 4, 2: 4, 0: 2, 1: 2}


def test_a_copy_at_hand_is_not_lowered_and_one_that_is_too_low_is_replaced_where_it_lies() -> None:
    """One layer has r(0) = 1, so two: the second, with r(1) = 0, keeps each token's first expert."""
    first = (4, 5)
    steps = [[first, pair] for pair in [(0, 3), (3, 7), (3, 7), (0, 3)]]
    raw = {0: 9.0, 3: 5.0, 7: 1.0}
    found = made(routing([[first, (1, 2)]], steps, 8, weights=raw), retention=0.5)
    assert [bits_of(found, step, 1) for step in range(1, 5)] == [
        {0: 4, 3: 2},
        {3: 4, 7: 2},  # 3 was there at 2 bits
        {3: 4, 7: 2},
        {0: 4, 3: 4},  # at hand at 4
    ]
    moves = [m for m in found.plan.moves if m["of_layer"] == 1 and m["step"]]
    assert [int(m["expert"]) for m in moves] == [0, 3, 3, 7]
    assert moves[1]["target"] == moves[2]["target"]


def test_the_next_layers_critical_experts_are_fetched_ahead() -> None:
    """With a right guess: of the last layer's pair only the first."""
    steps = [[(0, 1), (2, 3)]]
    plan = made(routing([[(4, 5), (4, 5)]], steps, 6, weights=STRENGTHS), retention=0.5, prefetch=True).plan
    ahead = plan.moves[plan.moves["prefetch"]]
    assert [(int(m["step"]), int(m["layer"]), int(m["of_layer"]), int(m["expert"])) for m in ahead] == [(1, 0, 1, 2)]


def test_the_strongest_of_several_tokens_counts() -> None:
    found = decided(one_layer([(0, 1), (1, 2)], [(2, 3)], 5, weights=STRENGTHS), "on-demand")
    assert best_ranks(found.scenario.demand)[:, 0].tolist() == [[0, 0, 1, 2, 2], [2, 2, 0, 1, 2]]


def test_experts_without_weights_take_ranks_and_get_none() -> None:
    """Of four that the router knows the last two give tokens back: 1 is second to 3, and 0 the first beside 2."""
    demand = Demand(one_layer([(3, 1)], [(0, 2)], 4), identity_experts=2)
    assert best_ranks(demand)[:, 0].tolist() == [[2, 1], [0, 2]]


def test_the_low_precision_is_lower() -> None:
    with pytest.raises(InputError, match=r"policy.low_format: found 'int4'; allowed: a format of fewer bits than int4"):
        made(one_layer([(0,)], [], 2), low_format="int4")
