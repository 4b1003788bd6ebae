"""Routing of large batches: the classes have the shares asked for, at every batch and model shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.routing.batch_source import BatchSource
from moe_cosim.workloads.routing.classes import class_shares
from moe_cosim.workloads.routing.counter_based.by_rank import alias_table
from moe_cosim.workloads.routing.routing import Routing, RoutingShape


@pytest.fixture(params=[1, 2])
def version(request: pytest.FixtureRequest) -> int:
    """How random numbers are drawn: everything below holds for both."""
    return int(request.param)


def draw(
    experts: int = 160, top_k: int = 6, batch: int = 512, seed: int = 0, version: int = 2, **assumptions: float
) -> Routing:
    shape = RoutingShape(6, experts, top_k, batch, 4, 6)
    named = {f"batch-routing-{name.replace('_', '-')}": value for name, value in assumptions.items()}
    return BatchSource({"version": version}, "test", Path()).draw(shape, seed, Assumptions(named))


def loads(routing: Routing) -> np.ndarray:
    """[steps, layers, experts] of the decode."""
    steps, _, layers, _ = routing.decode_experts.shape
    counts = np.zeros((steps, layers, routing.num_experts), dtype=np.int64)
    for step in range(steps):
        for layer in range(layers):
            counts[step, layer] = np.bincount(
                routing.decode_experts[step, :, layer].ravel(), minlength=routing.num_experts
            )
    return counts


@pytest.mark.parametrize("batch", [256, 512, 768])
@pytest.mark.parametrize(("experts", "top_k"), [(160, 6), (128, 8)])
def test_classes_have_the_published_shares(version: int, experts: int, top_k: int, batch: int) -> None:
    """TriMoE: cold over 70 % of the experts with 8 % of the tokens, warm 20-40 % with up to 70 %."""
    found = class_shares(loads(draw(experts, top_k, batch, version=version)).reshape(-1, experts))
    assert found.cold_experts > 0.7
    assert found.cold == pytest.approx(0.08, abs=0.01)
    assert 0.2 <= 1 - found.cold_experts - found.hot_experts <= 0.4
    assert 0.6 <= found.warm <= 0.7
    assert found.cold + found.warm + found.hot == pytest.approx(1)


def test_it_is_routing_and_the_demand_counts_it(version: int) -> None:
    routing = draw(version=version)
    routing.validate()
    demand = Demand(routing)
    for step in range(1, demand.steps):
        for layer in demand.step(step):
            assert sum(layer.tokens) == 512 * 6
            assert sum(layer.gate_weights) == pytest.approx(512, rel=1e-6)


def test_the_seed_decides(version: int) -> None:
    first, again, other = draw(version=version), draw(version=version), draw(seed=1, version=version)
    assert f"version {version}, seed 1" in other.source
    assert np.array_equal(first.decode_experts, again.decode_experts)
    assert not np.array_equal(first.decode_experts, other.decode_experts)


def test_drift_changes_who_is_hot(version: int) -> None:
    def similarity(routing: Routing) -> float:
        counts = loads(routing).astype(float)
        return float(np.corrcoef(counts[0].ravel(), counts[-1].ravel())[0, 1])

    still, moving = similarity(draw(drift=0.0, version=version)), similarity(draw(drift=0.5, version=version))
    assert still > 0.97
    assert moving < still - 0.1


def test_versions_draw_alike() -> None:
    """Ranked loads and how often a token has both hottest, over 60 seeds: within five standard errors."""

    def ranked(version: int) -> tuple[np.ndarray, np.ndarray]:
        drawn = [draw(24, 4, 64, seed, version) for seed in range(60)]
        counts = np.sort(np.stack([loads(one)[-1].mean(axis=0) for one in drawn]), axis=1)
        hottest = [np.argsort(-loads(one)[0], axis=1)[:, :2] for one in drawn]
        together = np.array(
            [
                np.mean([np.isin(one.decode_experts[0, :, layer], pair[layer]).sum(axis=1) == 2 for layer in range(6)])
                for one, pair in zip(drawn, hottest, strict=True)
            ]
        )
        return counts, together

    for one, other in zip(ranked(1), ranked(2), strict=True):
        error = np.sqrt((one.var(axis=0) + other.var(axis=0)) / 60)
        assert (np.abs(one.mean(axis=0) - other.mean(axis=0)) < 5 * error).all()


def test_longer_output_leaves_the_first_steps_as_they_were() -> None:
    few, many = (
        BatchSource({}, "test", Path()).draw(RoutingShape(2, 24, 4, 8, 3, output), 0, Assumptions())
        for output in (2, 7)
    )
    assert np.array_equal(few.prefill_experts, many.prefill_experts)
    assert np.array_equal(few.decode_experts, many.decode_experts[:2])


@pytest.mark.parametrize("weights", [[1.0], [0.5, 0.5], [0.9, 0.05, 0.05], list(np.arange(1, 41) / 820)])
def test_an_alias_table_gives_every_rank_its_weight(weights: list[float]) -> None:
    threshold, alias = alias_table(np.array(weights))
    chance = threshold.astype(float) / 2**32
    found = chance + np.bincount(alias, weights=1 - chance, minlength=len(weights))
    assert found / len(weights) == pytest.approx(weights, abs=1e-8)


def test_impossible_shares_are_refused() -> None:
    with pytest.raises(InputError, match="hot_experts"):
        BatchSource({"hot_experts": 0.5, "cold_experts": 0.6}, "test", Path())
    with pytest.raises(InputError, match="cold_tokens"):
        BatchSource({"cold_tokens": 0.0}, "test", Path())
