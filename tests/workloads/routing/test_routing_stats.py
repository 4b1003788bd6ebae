"""Statistics on traces whose figures are known in closed form or by brute force."""

from __future__ import annotations

import json
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.workloads.routing import TokenTrace, routing_stats
from moe_cosim.workloads.routing.kernels import lru_depths
from moe_cosim.workloads.routing.sets import expert_sets, overlap
from moe_cosim.workloads.routing.statistics import top_share, zipf_exponent


def trace_of(experts: np.ndarray, num_experts: int, documents: int = 1) -> TokenTrace:
    offsets = np.linspace(0, len(experts), documents + 1).astype(np.int64)
    return TokenTrace(experts.astype(np.uint16), None, offsets, num_experts)


def uniform(tokens: int, layers: int, experts: int, k: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).random((tokens, layers, experts))
    return np.argsort(noise, axis=2)[:, :, :k]


def test_uniform_routing_has_the_figures_of_chance() -> None:
    n, k = 16, 2
    stats = routing_stats(trace_of(uniform(8000, 3, n, k), n, documents=20))
    for value in (*stats.overlap_at_lag.values(), stats.overlap_same_sequence, stats.overlap_other_sequence):
        assert value == pytest.approx(k / n, abs=0.006)
    assert stats.overlap_uniform == k / n
    assert stats.next_layer_predicted == pytest.approx(k / n, abs=0.02)
    assert stats.top_quarter_pooled == pytest.approx(0.25, abs=0.02)
    assert stats.zipf_pooled == pytest.approx(0, abs=0.05)
    for batch, found in stats.distinct_experts.items():
        missed = comb(n - 1, k) / comb(n, k)
        assert found == pytest.approx(n * (1 - missed**batch), rel=0.02)
    # A choice hits a cache of half the experts nearly half of the time; a little less, as a token's are distinct.
    assert stats.lru_hit_rate[8] == pytest.approx(0.5, abs=0.06)


def test_constant_routing_is_wholly_predictable() -> None:
    experts = np.broadcast_to(np.array([3, 5]), (400, 2, 2))
    stats = routing_stats(trace_of(experts, 16, documents=2))
    assert set(stats.overlap_at_lag.values()) == {1.0}
    assert stats.next_layer_predicted == stats.next_layer_by_popularity == stats.halves_cosine == 1.0
    assert stats.max_over_mean_pooled == 8.0
    assert stats.top_quarter_pooled == 1.0
    assert set(stats.distinct_experts.values()) == {2.0}
    assert stats.lru_hit_rate[2] == pytest.approx(1 - 2 * 2 / 800)  # each document starts cold: two misses


def test_periodic_routing_hits_only_a_cache_as_large_as_the_period() -> None:
    experts = (np.arange(640) % 8).reshape(-1, 1, 1)
    stats = routing_stats(trace_of(experts, 16))
    assert stats.overlap_at_lag == {1: 0.0, 8: 1.0, 64: 1.0}
    assert stats.lru_hit_rate[4] == stats.lru_hit_rate[6] == 0.0
    assert stats.lru_hit_rate[8] == pytest.approx(1 - 8 / 640)
    assert np.isnan(stats.next_layer_predicted)
    assert stats.as_dict()["next_layer_predicted"] is None


def test_next_layer_that_is_a_permutation_is_predicted() -> None:
    first = uniform(4000, 1, 16, 2)
    both = np.concatenate([first, np.random.default_rng(1).permutation(16)[first]], axis=1)
    stats = routing_stats(trace_of(both, 16, documents=10))
    assert stats.next_layer_predicted == 1.0
    assert stats.next_layer_by_popularity < 0.2


def test_skew_of_an_exact_zipf_law() -> None:
    counts = np.round(1e7 * np.arange(1, 33) ** -0.7).astype(np.int64)
    assert zipf_exponent(np.random.default_rng(0).permutation(counts)) == pytest.approx(0.7, abs=1e-4)
    assert top_share(counts) == pytest.approx(counts[:8].sum() / counts.sum())


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(1, 5), st.integers(0, 10_000))
def test_lru_depths_equal_a_simulated_cache(k: int, extra: int, seed: int) -> None:
    n = k + extra
    experts = uniform(60, 2, n, k, seed).astype(np.uint16)
    offsets = np.array([0, 25, 60])
    hits = np.cumsum(lru_depths(experts, offsets, n)[:, :-1], axis=1)
    for layer in range(2):
        for capacity in range(1, n + 1):
            found = 0
            for start, end in ((0, 25), (25, 60)):
                cache: list[int] = []
                for expert in experts[start:end, layer].ravel().tolist():
                    if expert in cache:
                        found += 1
                        cache.remove(expert)
                    cache = [expert, *cache][:capacity]
            assert hits[layer, capacity - 1] == found


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([5, 64, 65, 200]), st.integers(0, 1000))
def test_overlap_equals_set_intersection(n: int, seed: int) -> None:
    experts = uniform(12, 2, n, 4, seed).astype(np.uint16)
    first, second = np.arange(0, 6), np.arange(6, 12)
    expected = [
        np.mean([len(set(experts[a, layer]) & set(experts[b, layer])) for a, b in zip(first, second, strict=True)])
        for layer in range(2)
    ]
    assert overlap(expert_sets(experts, n), first, second) == pytest.approx(expected)


def test_statistics_as_json_are_plain() -> None:
    stats = routing_stats(trace_of(uniform(300, 2, 8, 2), 8, documents=2))
    assert json.loads(json.dumps(stats.as_dict(), allow_nan=False))["num_experts"] == 8


def test_one_token_is_enough() -> None:
    stats = routing_stats(trace_of(np.array([[[0, 1]]]), 4))
    assert np.isnan(stats.overlap_at_lag[1])
    assert stats.as_dict()["overlap_at_lag"]["1"] is None


def test_more_experts_than_a_table_of_pairs_can_have_are_refused() -> None:
    """A trace of 600 bytes may say that there are 65,535 experts: a table of pairs would take 34 GB."""
    trace = trace_of(np.array([[[0, 1]], [[2, 3]]]), 65_535)
    with pytest.raises(InputError, match=r"^trace: num_experts: found 65535; allowed: at most 4096: "):
        routing_stats(trace)
