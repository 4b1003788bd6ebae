"""HOBBIT: precision by gate weight, one cache per precision, prefetch, cache priority."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.hw_models.formats import find_format
from moe_cosim.workloads.routing.routing import Routing
from tests.workloads.hand_made import Decided, decided, dense_bytes, fetched, model, one_layer, routing

NO_PREFETCH = {"prefetch_layers": 0}
HIGH, LOW = (find_format(name).expert_bytes(model(1, 1, 1).expert) for name in ("fp16", "int4"))


def cramped(routed: Routing, high: int, low: int, weights: Sequence[float] = (1, 0, 0, 0), **more: Any) -> Decided:
    """On a GPU with room for so many experts of each precision; `weights` of the cache priority."""
    room = dense_bytes(routed) + (high + 0.1) * HIGH + (low + 0.1) * LOW
    share = (low + 0.1) * LOW / ((high + 0.1) * HIGH + (low + 0.1) * LOW)
    names = ("hobbit-w-lru", "hobbit-w-lfu", "hobbit-w-lhu", "hobbit-w-fld")
    assumed: Mapping[str, Any] = {"hobbit-low-precision-share": share, **dict(zip(names, weights, strict=True))}
    found = decided(
        routed,
        "hobbit",
        more.pop("options", NO_PREFETCH),
        assumptions=assumed | more.pop("assumptions", {}),
        machine_set={"devices.gpu.memories.hbm.capacity": f"{round(room)} B"},
    )
    slots = [found.scenario.addresses.regions[-2], found.scenario.addresses.regions[-1]]
    assert [(r.name, r.size_bytes // each) for r, each in zip(slots, (LOW, HIGH), strict=True)] == [
        ("low-precision expert cache", low),
        ("expert cache", high),
    ]
    return found


def bits_of(found: Decided, step: int) -> dict[int, int]:
    """Width of every expert that was run, 0 for skipped ones."""
    plan = found.plan
    ran = {int(run["expert"]): plan.formats[run["format"]].bits for run in plan.runs[plan.runs["step"] == step]}
    return ran | {int(skip["expert"]): 0 for skip in plan.skips[plan.skips["step"] == step]}


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((70, 25, 5), (16, 4, 0)),  # before them lies 0, 0.70, 0.95
        ((50, 35, 15), (16, 16, 4)),  # 0, 0.50, 0.85
        ((92, 5, 3), (16, 0, 0)),
        ((64, 32, 32), (16, 16, 4)),  # 0, 0.50, 0.75
    ],
)
def test_precision_falls_with_the_weight_of_those_before(weights: tuple[int, ...], expected: tuple[int, ...]) -> None:
    # 3 to 5 are new in the decode step, so that all of them are misses
    raw = {3 + index: float(weight) for index, weight in enumerate(weights)}
    routed = one_layer([(0, 1, 2)], [(3, 4, 5)], 6, weights=raw)
    assert bits_of(decided(routed, "hobbit", NO_PREFETCH), 1) == dict(zip((3, 4, 5), expected, strict=True))


def test_thresholds_belong_to_the_better_precision() -> None:
    routed = one_layer([(0, 1)], [(2, 3)], 4)  # weights of one half each: exact
    for t1, t2, bits in ((0.5, 0.9, 16), (0.49, 0.5, 4), (0.4, 0.49, 0)):
        found = decided(routed, "hobbit", {"t1": t1, "t2": t2, **NO_PREFETCH})
        assert bits_of(found, 1) == {2: 16, 3: bits}


def test_of_several_tokens_the_most_demanding_decides() -> None:
    raw = {0: 95.0, 1: 5.0, 2: 1.0}
    # 1 may be skipped for the first token, is the best of the second
    assert bits_of(decided(one_layer([(0, 1), (1, 2)], [], 3, weights=raw), "hobbit", NO_PREFETCH), 0) == {
        0: 16,
        1: 16,
        2: 4,
    }


def test_only_misses_lose_precision() -> None:
    raw = {0: 95.0, 1: 5.0, 2: 1.0}
    # step 1: 1 is at hand in full from the prompt and is used, though it might be skipped
    found = decided(one_layer([(1, 2)], [(0, 1), (1, 2)], 3, weights=raw), "hobbit", NO_PREFETCH)
    assert bits_of(found, 0) == {1: 16, 2: 4}
    assert bits_of(found, 1) == {0: 16, 1: 16}
    assert bits_of(found, 2) == {1: 16, 2: 4}
    assert len(found.plan.moves) == 3


def test_a_low_copy_serves_where_skipping_was_allowed_but_not_where_full_is_due() -> None:
    raw = {0: 95.0, 1: 5.0, 2: 1.0, 3: 0.1}
    found = decided(one_layer([(1, 2)], [(0, 2), (2, 3)], 4, weights=raw), "hobbit", NO_PREFETCH)
    assert bits_of(found, 0) == {1: 16, 2: 4}
    assert bits_of(found, 1) == {0: 16, 2: 4}
    assert bits_of(found, 2) == {2: 16, 3: 0}  # 0.1 of 1.1 comes after 0.91
    moves = found.plan.moves
    assert [int(m["expert"]) for m in moves] == [1, 2, 0, 2]
    assert [found.plan.formats[m["format"]].bits for m in moves] == [16, 4, 16, 16]


def test_each_precision_has_slots_of_its_own() -> None:
    raw = {expert: 4.0 if expert % 2 else 1.0 for expert in range(8)}
    routed = one_layer([(1, 0)], [(3, 2), (5, 4), (7, 6), (1, 0)], 8, weights=raw)
    plan = cramped(routed, high=2, low=2).plan
    targets = {bits: set() for bits in (16, 4)}
    for move in plan.moves:
        targets[plan.formats[move["format"]].bits].add(int(move["target"]))
    assert len(targets[16]) == len(targets[4]) == 2
    assert not targets[16] & targets[4]
    assert len(plan.moves) == 10  # five steps, and no one stays until it is asked for again


def test_cache_sizes_follow_the_assumed_memory() -> None:
    routed = routing([[(0, 1)] * 40], [], 128)
    dense = dense_bytes(routed)
    for gigabytes in (16, 24):
        found = decided(routed, "hobbit", NO_PREFETCH, assumptions={"hobbit-gpu-memory": f"{gigabytes} GB"})
        free = gigabytes * 10**9 - dense
        low, high = found.scenario.addresses.regions[-2:]
        assert low.size_bytes // LOW == min(int(0.2 * free / LOW), 40 * 128)
        assert high.size_bytes // HIGH == pytest.approx(0.8 * free / HIGH, abs=1)


def test_a_sure_prefetch_leaves_nothing_to_fetch() -> None:
    prompt, decode = [[(0,), (0,), (0,)]], [[(0,), (1,), (2,)]]
    sure = {"hobbit-prefetch-accuracy": 1.0}
    for ahead, announced in (
        (0, []),
        (1, [(0, 1, 1), (1, 2, 2)]),
        (2, [(0, 1, 1), (0, 2, 2)]),
        (3, [(0, 1, 1), (0, 2, 2)]),
    ):
        plan = decided(routing(prompt, decode, 3), "hobbit", {"prefetch_layers": ahead}, assumptions=sure).plan
        moves = plan.moves[plan.moves["prefetch"]]
        assert moves[["layer", "of_layer", "expert"]].tolist() == announced
        assert (moves["step"] == 1).all()
        on_demand = [move for move in fetched(plan) if move[0] == 1]
        assert on_demand == ([] if ahead else [(1, 1, 1), (1, 2, 2)])


def test_prefetch_brings_the_precision_the_gate_will_ask_for() -> None:
    raw = {0: 1.0, 1: 1.0, 2: 70.0, 3: 25.0, 4: 5.0}
    routed = routing([[(0, 1, 2)] * 2], [[(0, 1, 2), (2, 3, 4)]], 5, weights=raw)
    plan = decided(routed, "hobbit", {"prefetch_layers": 1}, assumptions={"hobbit-prefetch-accuracy": 1.0}).plan
    moves = plan.moves[plan.moves["prefetch"]]
    # 2 is in the cache since the prompt; 4 may be skipped, and is not fetched for that
    assert [(int(m["expert"]), plan.formats[m["format"]].bits) for m in moves] == [(3, 4)]


def test_a_wrong_guess_comes_at_low_precision() -> None:
    routed = routing([[(0,), (0,)]], [[(0,), (0,)]] * 3, 2)
    plan = decided(routed, "hobbit", {"prefetch_layers": 1}, assumptions={"hobbit-prefetch-accuracy": 0.0}).plan
    moves = plan.moves[plan.moves["prefetch"]]
    assert [(int(m["expert"]), plan.formats[m["format"]].bits) for m in moves] == [(1, 4)]  # then it is there


def test_recency_alone_is_an_lru_cache() -> None:
    routed = one_layer([(0,)], [(1,), (0,), (2,), (0,), (1,)], 3)
    found = fetched(cramped(routed, high=2, low=2, weights=(1, 0, 0, 0)).plan)
    assert found == [(0, 0, 0), (1, 0, 1), (3, 0, 2), (5, 0, 1)]


def test_frequency_alone_keeps_the_most_used() -> None:
    # 0 is used three times, then 1 and 2 alternate in the other slot
    routed = one_layer([(0,)], [(0,), (0,), (1,), (2,), (1,), (2,), (0,)], 3)
    found = fetched(cramped(routed, high=2, low=2, weights=(0, 1, 0, 0)).plan)
    assert found == [(0, 0, 0), (3, 0, 1), (4, 0, 2), (5, 0, 1), (6, 0, 2)]


def test_layer_distance_alone_evicts_the_layer_just_done() -> None:
    # two slots, three layers of one expert each: when layer 2 fetches, layer 0 comes up sooner than layer 1
    routed = routing([[(0,), (0,), (0,)]], [[(0,), (0,), (0,)]], 1)
    found = fetched(cramped(routed, high=2, low=2, weights=(0, 0, 0, 1)).plan)
    assert found == [(0, 0, 0), (0, 1, 0), (0, 2, 0), (1, 1, 0)]


def test_low_copies_of_experts_due_in_full_make_room() -> None:
    raw = {0: 2.0, 1: 5.0, 2: 5.0, 3: 60.0, 4: 60.0, 5: 5.0}
    routed = one_layer([(3, 1, 5)], [(4, 2, 5), (1, 2, 0)], 6, weights=raw)
    found = cramped(routed, high=2, low=2)
    assert [bits_of(found, step) for step in range(3)] == [
        {3: 16, 1: 4, 5: 0},
        {4: 16, 2: 4, 5: 0},
        {1: 16, 2: 16, 0: 4},  # 1 and 2 hold both low slots when 0 needs one
    ]


some_tokens = st.lists(st.permutations(range(6)).map(lambda order: tuple(order[:3])), min_size=1, max_size=3)
raw_weights = st.lists(st.sampled_from([1.0, 5.0, 60.0]), min_size=6, max_size=6)


@settings(deadline=None, max_examples=100)
@given(prompt=some_tokens, decode=st.lists(st.permutations(range(6)), max_size=6), raw=raw_weights)
def test_tiny_caches_serve_any_demand(prompt: list[tuple[int, ...]], decode: list[list[int]], raw: list[float]) -> None:
    routed = one_layer(prompt, [order[:3] for order in decode], 6, weights=dict(enumerate(raw)))
    found = cramped(routed, high=2, low=2)
    for step in range(len(decode) + 1):
        assert set(bits_of(found, step)) == set(np.flatnonzero(found.scenario.demand.active()[step, 0]).tolist())


def test_both_caches_need_room() -> None:
    routed = one_layer([(0,)], [], 4)
    capacity = {"devices.gpu.memories.hbm.capacity": f"{dense_bytes(routed) + HIGH} B"}
    with pytest.raises(InputError, match=r"expert cache in gpu.hbm: found room for . experts; allowed: at least 2"):
        decided(routed, "hobbit", machine_set=capacity)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"t1": 1.5}, r"policy\.t1: found 1\.5; allowed: a number from 0 to 1"),
        ({"t2": "0.9"}, r"policy\.t2: found '0\.9'"),
        ({"prefetch_layers": 4}, r"policy\.prefetch_layers: found 4; allowed: a whole number from 0 to 3"),
        ({"low_format": "int5"}, r"policy\.low_format: found 'int5'"),
        ({"low_format": "fp16"}, r"policy\.low_format: found 'fp16'; allowed: a format of fewer bits than fp16"),
        ({"t1": 0.9, "t2": 0.6}, r"policy\.t2: found 0\.6; allowed: at least t1"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        decided(one_layer([(0,)], [], 2), "hobbit", options)
