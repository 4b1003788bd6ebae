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
from moe_cosim.workloads.routing.routing import Routing, RoutingShape


def draw(experts: int = 160, top_k: int = 6, batch: int = 512, seed: int = 0, **assumptions: float) -> Routing:
    shape = RoutingShape(6, experts, top_k, batch, 4, 6)
    named = {f"batch-routing-{name.replace('_', '-')}": value for name, value in assumptions.items()}
    return BatchSource({}, "test", Path()).draw(shape, seed, Assumptions(named))


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
def test_classes_have_the_published_shares(experts: int, top_k: int, batch: int) -> None:
    """TriMoE: cold over 70 % of the experts with 8 % of the tokens, warm 20-40 % with up to 70 %."""
    found = class_shares(loads(draw(experts, top_k, batch)).reshape(-1, experts))
    assert found.cold_experts > 0.7
    assert found.cold == pytest.approx(0.08, abs=0.01)
    assert 0.2 <= 1 - found.cold_experts - found.hot_experts <= 0.4
    assert 0.6 <= found.warm <= 0.7
    assert found.cold + found.warm + found.hot == pytest.approx(1)


def test_it_is_routing_and_the_demand_counts_it() -> None:
    routing = draw()
    routing.validate()
    demand = Demand(routing)
    for step in range(1, demand.steps):
        for layer in demand.step(step):
            assert sum(layer.tokens) == 512 * 6
            assert sum(layer.gate_weights) == pytest.approx(512, rel=1e-6)


def test_the_seed_decides() -> None:
    first, again, other = draw(), draw(), draw(seed=1)
    assert np.array_equal(first.decode_experts, again.decode_experts)
    assert not np.array_equal(first.decode_experts, other.decode_experts)


def test_drift_changes_who_is_hot() -> None:
    def similarity(routing: Routing) -> float:
        counts = loads(routing).astype(float)
        return float(np.corrcoef(counts[0].ravel(), counts[-1].ravel())[0, 1])

    still, moving = similarity(draw(drift=0.0)), similarity(draw(drift=0.5))
    assert still > 0.97
    assert moving < still - 0.1


def test_impossible_shares_are_refused() -> None:
    with pytest.raises(InputError, match="hot_experts"):
        BatchSource({"hot_experts": 0.5, "cold_experts": 0.6}, "test", Path())
    with pytest.raises(InputError, match="cold_tokens"):
        BatchSource({"cold_tokens": 0.0}, "test", Path())
