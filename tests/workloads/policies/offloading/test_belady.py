"""The oracle: never worse than any rule, and as good as trying everything."""

from __future__ import annotations

from functools import cache
from itertools import combinations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.workloads.hand_made import decided, hits, one_layer

Step = tuple[int, ...]


def most_hits(steps: list[Step], slots: int) -> int:
    """Best over all victims and all orders of fetching within a step, by trying them all.

    A fetched expert needs a slot, so after a step with misses one of them (the last) is still there.
    """

    @cache
    def best(held: frozenset[int], step: int) -> int:
        if step == len(steps):
            return 0
        wanted = frozenset(steps[step])
        found, missed = len(wanted & held), wanted - held
        if not missed:
            return found + best(held, step + 1)
        around = held | wanted
        kept = [frozenset(chosen) for chosen in combinations(sorted(around), min(slots, len(around)))]
        return found + max(best(after, step + 1) for after in kept if after & missed)

    return best(frozenset(), 0)


def steps_of(experts: int, k: int, most: int) -> st.SearchStrategy[list[Step]]:
    one = st.sets(st.integers(0, experts - 1), min_size=k, max_size=k).map(lambda s: tuple(sorted(s)))
    return st.lists(one, min_size=1, max_size=most)


@settings(deadline=None, max_examples=150)
@given(steps=steps_of(5, 2, 8), slots=st.integers(1, 4))
@example(steps=[(0, 1), (0, 2), (0, 3)], slots=1)  # of 0 and 1 the one asked for again must be fetched last
def test_it_hits_as_often_as_any_cache_can(steps: list[Step], slots: int) -> None:
    plan = decided(one_layer(steps[:1], steps[1:], 5), "belady", {"cache_experts": slots}).plan
    assert hits(plan) == most_hits(steps, slots)


@settings(deadline=None, max_examples=60)
@given(steps=steps_of(8, 3, 20), slots=st.integers(1, 8))
def test_it_never_hits_less_than_lru(steps: list[Step], slots: int) -> None:
    routed = one_layer(steps[:1], steps[1:], 8)
    lru, belady = (hits(decided(routed, name, {"cache_experts": slots}).plan) for name in ("lru", "belady"))
    assert belady >= lru


def test_the_textbook_case() -> None:
    # Belady's reference string with 3 frames: 9 fetches; LRU needs 12
    reference = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1]
    routed = one_layer([(reference[0],)], [(expert,) for expert in reference[1:]], 8)
    fetches = {name: len(decided(routed, name, {"cache_experts": 3}).plan.moves) for name in ("belady", "lru")}
    assert fetches == {"belady": 9, "lru": 12}
