"""WiSP's pager: recency by hand, what its prefetcher may not replace, what bounds it."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.sim.reproduce.mean_step import decode_s
from moe_cosim.sim.run import run
from tests.workloads.hand_made import decided, fetched, hits, one_layer, routing

SURE = {"wisp-prediction-accuracy": 1.0}


def test_who_leaves_a_layer_s_slots_is_worked_by_hand() -> None:
    """Two slots: 0, then 1, then 0 again; 2 takes the slot of 1, which is the longest unused."""
    plan = decided(one_layer([(0,)], [(1,), (0,), (2,), (1,)], 3), "wisp", {"cache_experts": 2}).plan
    assert fetched(plan) == [(0, 0, 0), (1, 0, 1), (3, 0, 2), (4, 0, 1)]
    assert plan.moves["target"][2] == plan.moves["target"][1]
    assert plan.moves["target"][3] == plan.moves["target"][0]


def test_a_guess_takes_no_slot_of_the_last_token_s_experts() -> None:
    """Layer 1 has as many slots as a token has experts: there is no room for a guess. With one more there is."""
    routed = routing([[(0,), (0,)]], [[(0,), (0,)], [(0,), (1,)], [(0,), (2,)]], 3)
    for slots, ahead in ((1, []), (2, [(2, 1, 1), (3, 1, 2)])):
        plan = decided(routed, "wisp", {"cache_experts": slots, "prefetch": True}, assumptions=SURE).plan
        early = plan.moves[plan.moves["of_layer"] > plan.moves["layer"]]
        assert early[["step", "of_layer", "expert"]].tolist() == ahead


steps = st.lists(st.sets(st.integers(0, 5), min_size=2, max_size=2).map(sorted), min_size=1, max_size=12)


@settings(deadline=None, max_examples=30)
@given(steps=steps, slots=st.integers(2, 6))
def test_the_pager_hits_no_more_than_belady(steps: list[list[int]], slots: int) -> None:
    routed = one_layer(steps[:1], steps[1:], 6)
    own, best = (hits(decided(routed, name, {"cache_experts": slots}).plan) for name in ("wisp", "belady"))
    assert own <= best


@cache
def step_s(experiment: str, **settings: object) -> float:
    size = {"workload.prompt_tokens": 16, "workload.output_tokens": 17}
    return decode_s(run(experiment, {**size, **{name.replace("__", "."): value for name, value in settings.items()}}))


def test_prefetching_does_not_help_where_the_link_limits() -> None:
    """The paper's finding: at either size it reports, with guesses that are right half of the time."""
    for slots in (8, 16):
        link = {"policy__cache_experts": slots, "assumptions__host-overhead-per-layer": "0 ns"}
        assert step_s("wisp-qwen3-30b-a3b", **link, policy__prefetch=True) >= step_s("wisp-qwen3-30b-a3b", **link)


def test_paging_beats_static_offload_at_the_same_memory() -> None:
    for slots in (8, 16):
        paged = step_s("wisp-qwen3-30b-a3b", policy__cache_experts=slots)
        assert paged < step_s("wisp-static-qwen3-30b-a3b", policy__gpu_experts=slots)
