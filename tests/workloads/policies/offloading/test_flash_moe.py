"""FlashMoE: who leaves, worked by hand, and what its network learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from moe_cosim.experiment import load_experiment
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.plan import Plan
from moe_cosim.workloads.policies.parts.eviction_net import EvictionNet
from moe_cosim.workloads.policies.parts.use_history import UseHistory, lessons
from moe_cosim.workloads.scenario import draw
from tests.workloads.hand_made import decide, decided, fetched, hits, one_layer, scenario

RUN = one_layer([(0,)], [(0,), (1,), (2,), (3,), (1,), (2,)], 4)
"""Of three slots, full of 0, 1 and 2 when 3 comes."""


class Told:
    """A network that says what it was told."""

    def __init__(self, distances: list[float]) -> None:
        self._distances = np.array(distances)

    def distances(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._distances


def left_for_the_first(evict: str, distances: list[float] | None = None) -> int:
    """The expert whose slot 3 is fetched into."""
    if distances is None:
        plan = decided(RUN, "flash-moe", {"cache_experts": 3, "evict": evict}).plan
    else:
        plan = planned(distances)
    assert fetched(plan)[:4] == [(0, 0, 0), (2, 0, 1), (3, 0, 2), (4, 0, 3)]
    return int(np.flatnonzero(plan.moves["target"][:3] == plan.moves["target"][3])[0])


def planned(distances: list[float]) -> Plan:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EvictionNet, "trained", lambda *_: Told(distances))
        experiment, confronted = scenario(RUN, "flash-moe", {"cache_experts": 3})
        return decide(experiment, replace(confronted, past_runs=lambda count: [confronted.demand]))[1]


def test_each_rule_gives_up_another_expert() -> None:
    """When 3 comes, 0 was used twice and least recently; 1 and 2 once, 1 before 2."""
    assert left_for_the_first("lru") == 0
    assert left_for_the_first("lfu") == 1
    assert left_for_the_first("lfu-history") == 1
    assert left_for_the_first("learned", [0.2, 0.3, 0.9, 0.0]) == 2
    assert left_for_the_first("learned", [0.2, 0.3, 0.3, 1.0]) == 1  # of equals the least recently used


def test_without_other_runs_the_least_recently_used_leaves() -> None:
    assert left_for_the_first("learned") == 0


def test_counts_are_forgotten_or_kept() -> None:
    """Two slots. 1 is used four times, 0 five times: for 2 the former leaves, and 2 leaves when it comes back. Then it
    has been used twice since it came, six times in all; 0 five times."""
    routed = one_layer([(1,)], [(1,)] * 3 + [(0,)] * 5 + [(2,), (1,), (1,), (3,)], 4)
    for evict, keeps in (("lfu", False), ("lfu-history", True)):
        plan = decided(routed, "flash-moe", {"cache_experts": 2, "evict": evict}).plan
        assert fetched(plan) == [(0, 0, 1), (4, 0, 0), (9, 0, 2), (10, 0, 1), (12, 0, 3)]
        first, second, *rest = plan.moves["target"].tolist()
        assert rest == [first, first, second if keeps else first]


def test_what_is_seen_and_taught_by_hand() -> None:
    """Horizon: 3 of 4 experts. Behind step 1 (0 twice): 1/r of 0 is 1, of the others 0; next uses: 0 never, 1 in the
    next token, 2 in the one after, 3 at the third, the horizon."""
    features, distances = lessons(Demand(RUN))
    assert features[1, 0].tolist() == [1, 0, 0, 0, 1, 0, 0, 0]
    assert distances[1, 0].tolist() == [1, 0, 0.5, 1]
    assert features[3, 0] == pytest.approx([1 / 3, 1 / 2, 1, 0, 1, 1 / 2, 1 / 2, 0])
    history = UseHistory(1, 4)
    for step, expert in enumerate((0, 0, 1, 2)):
        history.see(0, step, [expert], [1])
    assert history.features(0, 3).tolist() == features[3, 0].tolist()


def test_the_network_learns_a_cycle() -> None:
    """0 1 2 3 0 1 ...: whoever was used last comes last."""
    steps = np.arange(256)
    features = np.zeros((256, 8))
    for expert in range(4):
        features[steps, expert] = 1 / ((steps - expert) % 4 + 1)
    features[:, 4:] = 1
    targets = np.stack([((expert - steps - 1) % 4) / 3 for expert in range(4)], axis=1)
    net = EvictionNet.trained(np.tile(features, (4, 1)), np.tile(targets, (4, 1)), seed=1)
    assert net.error < 0.01
    for step in range(4):
        assert int(np.argmax(net.distances(features[step]))) == step


def test_past_runs_are_others_of_the_same_router() -> None:
    found = draw(load_experiment("flash-moe-qwen3-30b-a3b", {"workload.prompt_tokens": 4, "workload.output_tokens": 3}))
    assert found.past_runs is not None
    first, second = found.past_runs(2)
    assert first.steps == second.steps == found.demand.steps
    chosen = [run.routing.decode_experts for run in (found.demand, first, second)]
    assert chosen[0].shape == chosen[1].shape == chosen[2].shape
    assert not any((chosen[a] == chosen[b]).all() for a, b in ((0, 1), (0, 2), (1, 2)))


steps = st.lists(st.sets(st.integers(0, 5), min_size=2, max_size=2).map(sorted), min_size=1, max_size=12)


@settings(deadline=None, max_examples=30)
@given(steps=steps, slots=st.integers(1, 6), evict=st.sampled_from(["lru", "lfu", "lfu-history"]))
def test_it_hits_no_more_than_belady(steps: list[list[int]], slots: int, evict: str) -> None:
    routed = one_layer(steps[:1], steps[1:], 6)
    own = decided(routed, "flash-moe", {"cache_experts": slots, "evict": evict}).plan
    assert hits(own) <= hits(decided(routed, "belady", {"cache_experts": slots}).plan)
    if evict == "lru":
        assert hits(own) == hits(decided(routed, "lru", {"cache_experts": slots}).plan)
