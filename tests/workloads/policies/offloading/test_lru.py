"""Mixtral-offloading's cache against an LRU stack, and its speculative loading."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.workloads.policies.parts.speculation import Speculation
from tests.workloads.hand_made import decided, fetched, hits, one_layer, routing


def test_a_sequence_worked_out_by_hand() -> None:
    # two slots; within a step hits go first, then misses by number
    routed = one_layer([(0,)], [(1,), (0,), (2,), (1,), (0,), (0,)], 3)
    plan = decided(routed, "lru", {"cache_experts": 2}).plan
    #  0 miss {0}; 1 miss {0,1}; 0 hit {1,0}; 2 miss, 1 leaves {0,2}; 1 miss, 0 leaves {2,1}; 0 miss, 2 leaves; 0 hit
    assert fetched(plan) == [(0, 0, 0), (1, 0, 1), (3, 0, 2), (4, 0, 1), (5, 0, 0)]
    slot_of = {index: int(move["target"]) for index, move in enumerate(plan.moves)}
    assert slot_of[2] == slot_of[1]
    assert slot_of[3] == slot_of[0]
    assert slot_of[4] == slot_of[2]


def test_a_hit_is_kept_for_a_miss_of_the_same_step() -> None:
    routed = one_layer([(0, 1)], [(2, 0)], 3)
    plan = decided(routed, "lru", {"cache_experts": 2}).plan
    assert fetched(plan) == [(0, 0, 0), (0, 0, 1), (1, 0, 2)]
    assert plan.runs["expert"].tolist() == [0, 1, 0, 2]
    assert plan.moves["target"][2] == plan.moves["target"][1]  # 1 was used before 0


steps = st.lists(st.sets(st.integers(0, 5), min_size=2, max_size=2).map(sorted), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(steps=steps, slots=st.integers(1, 6))
def test_it_fetches_what_an_lru_stack_misses(steps: list[list[int]], slots: int) -> None:
    plan = decided(one_layer(steps[:1], steps[1:], 6), "lru", {"cache_experts": slots}).plan
    stack: OrderedDict[int, None] = OrderedDict()
    expected = []
    for step, wanted in enumerate(steps):
        for expert in sorted(wanted, key=lambda expert: expert not in stack):
            if expert not in stack:
                expected.append((step, 0, expert))
                if len(stack) == slots:
                    stack.popitem(last=False)
            stack[expert] = None
            stack.move_to_end(expert)
    assert fetched(plan) == expected
    assert hits(plan) == 2 * len(steps) - len(expected)


def test_layers_have_caches_of_their_own() -> None:
    routed = routing([[(0,), (1,)]], [[(0,), (1,)], [(0,), (1,)]], 2)
    assert fetched(decided(routed, "lru", {"cache_experts": 1}).plan) == [(0, 0, 0), (0, 1, 1)]


def test_a_sure_guess_moves_before_the_gate_that_asks_for_it() -> None:
    routed = routing([[(0,), (0,), (0,)]], [[(0,), (1,), (2,)]], 3)
    plan = decided(
        routed,
        "lru",
        {"cache_experts": 2, "speculative": True},
        assumptions={"lru-speculation-accuracy": 1.0},
    ).plan
    ahead = plan.moves["of_layer"] > plan.moves["layer"]
    assert plan.moves[ahead][["step", "layer", "of_layer", "expert"]].tolist() == [(1, 0, 1, 1), (1, 1, 2, 2)]
    # nothing is left to fetch on demand
    assert plan.moves[~ahead][["step", "of_layer", "expert"]].tolist() == [(0, 0, 0), (0, 1, 0), (0, 2, 0)]
    used = plan.moves[plan.runs["move"]]
    assert (used["layer"][-2:] < plan.runs["layer"][-2:]).all()


def test_guesses_are_right_as_often_as_assumed() -> None:
    experts, steps = 64, 400
    chosen = np.random.default_rng(0).integers(0, experts, (steps, 1))
    demand = decided(one_layer(chosen[:1], chosen[1:], experts), "on-demand").scenario.demand
    for accuracy in (0.0, 0.7, 1.0):
        guesses = Speculation(demand, accuracy, seed=1, ahead=1)
        right = [int(chosen[step, 0]) in guesses.experts(step, 0) for step in range(steps)]
        assert np.mean(right) == pytest.approx(accuracy, abs=4 * np.sqrt(0.25 / steps) * (0 < accuracy < 1))
        assert all(len(guesses.experts(step, 0)) == 1 for step in range(steps))
        assert guesses.experts(0, 1) == []


def test_guesses_replace_nothing_until_the_gate_asks_for_them() -> None:
    """All are wrong: the caches hold what they would without guesses, and only the guesses are more traffic."""
    chosen = np.random.default_rng(0).integers(0, 8, (40, 3, 1))
    routed = routing(chosen[:1].tolist(), chosen[1:].tolist(), 8)
    options = {"cache_experts": 3}
    plain = decided(routed, "lru", options).plan
    guessing = decided(
        routed, "lru", options | {"speculative": True}, assumptions={"lru-speculation-accuracy": 0.0}
    ).plan
    ahead = guessing.moves["of_layer"] != guessing.moves["layer"]
    assert ahead.any()
    columns = ["step", "of_layer", "expert"]
    assert guessing.moves[~ahead][columns].tolist() == plain.moves[columns].tolist()


def test_sure_guesses_leave_the_caches_the_same_and_nothing_to_fetch_but_the_first_layer() -> None:
    chosen = np.random.default_rng(1).integers(0, 8, (40, 3, 1))
    routed = routing(chosen[:1].tolist(), chosen[1:].tolist(), 8)
    options = {"cache_experts": 3}
    plain = decided(routed, "lru", options).plan
    sure = decided(routed, "lru", options | {"speculative": True}, assumptions={"lru-speculation-accuracy": 1.0}).plan
    columns = ["step", "of_layer", "expert"]
    assert sorted(sure.moves[columns].tolist()) == sorted(plain.moves[columns].tolist())
    late = sure.moves[(sure.moves["step"] > 0) & (sure.moves["of_layer"] == sure.moves["layer"])]
    assert (late["layer"] == 0).all()


def test_guesses_follow_the_layer_s_own_fetches_on_one_lane() -> None:
    routed = routing([[(0, 1), (2, 3)]], [[(2, 3), (0, 1)]], 4)
    found = decided(
        routed, "lru", {"cache_experts": 2, "speculative": True}, assumptions={"lru-speculation-accuracy": 1.0}
    )
    moves = found.plan.moves[found.plan.moves["step"] == 1]
    assert moves[["layer", "of_layer", "expert"]].tolist() == [(0, 0, 2), (0, 0, 3), (0, 1, 0), (0, 1, 1)]
    assert not moves["prefetch"].any()


def test_a_cache_that_does_not_fit_is_refused() -> None:
    routed = routing([[(0,), (0,)]], [], 2)
    # the dense part of the two layers takes 15 MB, an expert 6.3 MB

    def with_memory(capacity: str, options: dict[str, int]) -> None:
        decided(routed, "lru", options, machine_set={"devices.gpu.memories.hbm.capacity": capacity})

    with_memory("30 MB", {"cache_experts": 1})
    with pytest.raises(InputError, match=r"expert cache in gpu.hbm: found .* needed; allowed: at most the .* left"):
        with_memory("30 MB", {"cache_experts": 2})
    with pytest.raises(InputError, match="room for 0 experts; allowed: at least 1"):
        with_memory("25 MB", {})


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_speculative_is_true_or_false(value: object) -> None:
    with pytest.raises(InputError, match=r"policy\.speculative"):
        decided(one_layer([(0,)], [], 2), "lru", {"speculative": value})
