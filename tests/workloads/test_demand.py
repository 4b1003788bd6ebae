"""Demand counts what the gates chose: as lists, as columns, and as a table of who is in use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.routing.routing import Routing, RoutingShape, routing_source

SHAPES = (
    RoutingShape(layers=1, experts=2, top_k=1, sequences=1, prompt_tokens=1, output_tokens=0),
    RoutingShape(layers=3, experts=8, top_k=2, sequences=1, prompt_tokens=5, output_tokens=7),
    RoutingShape(layers=4, experts=70, top_k=6, sequences=9, prompt_tokens=3, output_tokens=4),
)
ROUTERS = ({"source": "generator", "preset": "mixtral-8x7b"}, {"source": "batch"})


@pytest.fixture(params=[(router, shape) for router in ROUTERS for shape in SHAPES if shape.experts > 2], ids=str)
def routing(request: pytest.FixtureRequest) -> Routing:
    router, shape = request.param
    return routing_source(router, "test", Path()).draw(shape, 1, Assumptions())


def counted(routing: Routing, step: int, layer: int) -> tuple[list[int], list[int], list[float]]:
    """Plainly, choice by choice; prefill is one step of all the prompts' tokens."""
    if step == 0:
        experts, weights = routing.prefill_experts[:, :, layer], routing.prefill_weights[:, :, layer]
    else:
        experts, weights = routing.decode_experts[step - 1, :, layer], routing.decode_weights[step - 1, :, layer]
    tokens: dict[int, int] = {}
    sums: dict[int, float] = {}
    for expert, weight in zip(experts.ravel().tolist(), weights.ravel().tolist(), strict=True):
        tokens[expert] = tokens.get(expert, 0) + 1
        sums[expert] = sums.get(expert, 0.0) + weight
    order = sorted(tokens)
    return order, [tokens[e] for e in order], [sums[e] for e in order]


def test_every_choice_is_counted_once(routing: Routing) -> None:
    demand = Demand(routing)
    assert demand.steps == 1 + len(routing.decode_experts)
    for step in range(demand.steps):
        found = list(demand.step(step))
        assert [one.layer for one in found] == list(range(demand.layers))
        for one in found:
            experts, tokens, sums = counted(routing, step, one.layer)
            assert (one.step, one.experts, one.tokens) == (step, experts, tokens)
            assert one.gate_weights == pytest.approx(sums, rel=1e-12)


def test_unequal_weights_are_added_in_the_order_of_the_tokens() -> None:
    """To the last bit: float sums depend on it."""
    routing = routing_source(ROUTERS[0], "test", Path()).draw(SHAPES[2], 1, Assumptions())
    for step in range(1 + SHAPES[2].output_tokens):
        for one in Demand(routing).step(step):
            assert one.gate_weights == counted(routing, step, one.layer)[2]


@pytest.mark.parametrize("shape", SHAPES)
def test_no_decode_step_is_a_prefill_alone(shape: RoutingShape) -> None:
    routing = routing_source(ROUTERS[0], "test", Path()).draw(shape, 1, Assumptions())
    demand = Demand(routing)
    assert len(list(demand.step(0))) == shape.layers
    assert demand.active().shape == (1 + shape.output_tokens, shape.layers, shape.experts)


@pytest.mark.parametrize(("first", "last"), [(0, 1), (1, 3), (0, 5), (2, 2)])
def test_columns_are_the_lists_of_their_steps(routing: Routing, first: int, last: int) -> None:
    demand = Demand(routing)
    rows = demand.rows(first, last)
    listed = [one for step in range(first, last) for one in demand.step(step)]
    assert rows.step.tolist() == [one.step for one in listed for _ in one.experts]
    assert rows.layer.tolist() == [one.layer for one in listed for _ in one.experts]
    assert rows.expert.tolist() == [expert for one in listed for expert in one.experts]
    assert rows.tokens.tolist() == [tokens for one in listed for tokens in one.tokens]
    assert rows.gate_weight.tolist() == [weight for one in listed for weight in one.gate_weights]
    assert rows.starts.tolist() == np.cumsum([0, *(len(one.experts) for one in listed)]).tolist()
    assert [column.dtype for column in rows] == [np.int32, np.int32, np.int32, np.int64, np.float64, np.int64]
    assert sum(demand.choices_per_step(step) for step in range(first, last)) == len(rows.step)


def test_who_is_active_is_who_has_tokens(routing: Routing) -> None:
    demand = Demand(routing)
    active = demand.active()
    for step in range(demand.steps):
        for one in demand.step(step):
            assert np.flatnonzero(active[step, one.layer]).tolist() == one.experts
