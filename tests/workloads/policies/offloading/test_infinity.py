"""MoE-Infinity's matching, worth and eviction by hand, and what bounds it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.experiment import load_experiment
from moe_cosim.workloads.plan import Plan
from moe_cosim.workloads.policies.parts.activation_matching import ActivationMatching
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.routing.routing import Routing
from moe_cosim.workloads.scenario import draw
from tests.workloads.hand_made import decide, decided, fetched, hits, one_layer, routing, scenario

LIKE = [[8, 1, 1], [1, 8, 1]]
UNLIKE = [[1, 1, 8], [1, 1, 8]]


def planned(routed: Routing, past: Any, **options: int) -> Plan:
    experiment, confronted = scenario(routed, "moe-infinity", options)
    known = np.array(past, np.float32)
    return decide(experiment, replace(confronted, past=lambda requests: known))[1]


def test_who_leaves_is_worked_by_hand() -> None:
    """Two layers, three experts, three slots. Layer 0 has chosen 0 and 1, layer 1 has chosen 1 and 2: by cosine the
    first past request is nearer (0.78 and 0.78 against 0.17 and 0.78). At layer 1 an expert of layer 0 is one layer
    ahead, x (1 - 1/3), one of layer 1 two, x (1 - 2/3): (0, 0) is worth 0.8 x 2/3, (0, 1) 0.1 x 2/3, (1, 1) 0.8 x 1/3.
    So (0, 1) leaves, which was fetched last; an LRU cache would give up (0, 0)."""
    routed = routing([[(0,), (1,)]], [[(1,), (2,)], [(0,), (1,)]], 3)
    plan = planned(routed, [UNLIKE, LIKE], cache_experts=3, prefetch_experts=0)
    assert fetched(plan) == [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)]
    assert plan.moves["target"][3] == plan.moves["target"][2]
    unlike = planned(routed, [UNLIKE, UNLIKE], cache_experts=3, prefetch_experts=0)
    # there all that is held is worth 0.1 x 2/3 or 0.1 x 1/3: (1, 1) leaves
    assert unlike.moves["target"][3] == unlike.moves["target"][1]


def test_the_most_valuable_one_that_is_missing_is_fetched_ahead() -> None:
    """Step 1, layer 0: of layer 1 the past request chose 1 most (0.8 x 2/3), and it is at hand; 0 and 2 are worth
    0.1 x 2/3 each, more than (0, 1), which was just read and is worth 0.1 x 1/3."""
    routed = routing([[(0,), (1,)]], [[(1,), (1,)]], 3)
    plan = planned(routed, [LIKE], cache_experts=3, prefetch_experts=1)
    ahead = plan.moves[plan.moves["of_layer"] > plan.moves["layer"]]
    assert ahead[["step", "layer", "of_layer", "expert"]].tolist() == [(1, 0, 1, 0)]
    assert ahead["target"][0] == plan.moves["target"][2]
    assert plan.runs["expert"][plan.moves["after_run"][3]] == 1  # its slot is free once (0, 1) has been read


def test_nothing_of_more_worth_leaves_for_a_guess() -> None:
    routed = routing([[(0,), (1,)]], [[(0,), (1,)]] * 4, 3)
    plan = planned(routed, [LIKE], cache_experts=2, prefetch_experts=3)
    assert fetched(plan) == [(0, 0, 0), (0, 1, 1)]


@pytest.mark.parametrize("past", [0, 7])
def test_cosines_are_those_of_whole_matrices_layer_by_layer(past: int) -> None:
    generator = np.random.default_rng(past)
    collection = generator.integers(0, 4, (past, 5, 6)).astype(np.float32)
    matching, own = ActivationMatching(collection), np.zeros((5, 6))
    for layer in (0, 1, 2, 3, 4, 0, 1):
        chosen = generator.choice(6, 2, replace=False)
        matching.see(layer, chosen, [1, 2])
        own[layer, chosen] += [1, 2]
    assert (matching.counts == own).all()
    if not past:
        assert matching.nearest() == -1
        assert matching.shares() == pytest.approx(own / np.maximum(own.sum(axis=1, keepdims=True), 1))
        return

    def cosine(a: Any, b: Any) -> float:
        return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-9))

    means = [np.mean([cosine(own[layer], other[layer]) for layer in range(5)]) for other in collection]
    assert matching.nearest() == int(np.argmax(means))


steps = st.lists(st.sets(st.integers(0, 5), min_size=2, max_size=2).map(sorted), min_size=1, max_size=12)


@settings(deadline=None, max_examples=40)
@given(steps=steps, slots=st.integers(1, 6))
def test_it_hits_no_more_than_belady(steps: list[list[int]], slots: int) -> None:
    """One layer, nothing fetched ahead: one cache of so many slots."""
    routed = one_layer(steps[:1], steps[1:], 6)
    own = decided(routed, "moe-infinity", {"cache_experts": slots, "prefetch_experts": 0}).plan
    assert hits(own) <= hits(decided(routed, "belady", {"cache_experts": slots}).plan)


def test_past_requests_are_others_of_the_same_router() -> None:
    size = {"workload.prompt_tokens": 6, "workload.output_tokens": 4}
    found = draw(load_experiment("moe-infinity-mixtral-8x7b", size))
    assert found.past is not None
    counts = found.past(3)
    assert counts.shape == (3, 32, 8)
    assert (counts.sum(axis=2) == 2 * (6 + 3)).all()
    more = draw(load_experiment("moe-infinity-mixtral-8x7b", {**size, "workload.batch": 4}))
    chosen = np.zeros((4, 32, 8))
    for experts in (more.demand.routing.prefill_experts, more.demand.routing.decode_experts.swapaxes(0, 1)):
        for sequence, layer in np.ndindex(4, 32):
            chosen[sequence, layer] += np.bincount(experts[sequence, :, layer].ravel(), minlength=8)
    assert (counts == chosen[1:]).all()  # the run's own sequence is the first of a batch


def test_a_cache_without_room_is_refused() -> None:
    settings = {"machine.set": {"devices.gpu.memories.gddr.capacity": "3.4 GB"}}
    with pytest.raises(InputError, match=r"expert cache in gpu.gddr: found room for 0 experts; allowed: at least 1"):
        prepare(load_experiment("moe-infinity-mixtral-8x7b", settings | {"workload.prompt_tokens": 4}))
