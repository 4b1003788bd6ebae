"""What every source of routing must do. Its tests subclass `RouterContract` and name it:

class TestMine(RouterContract):
    router = "my-router"
    options = {"skew": 0.5}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.testing.other_python import others
from moe_cosim.workloads.routing.routing import Routing, RoutingShape, RoutingSource, routers, routing_source

SHAPES = (
    RoutingShape(layers=1, experts=2, top_k=1, sequences=1, prompt_tokens=1, output_tokens=0),
    RoutingShape(layers=2, experts=8, top_k=2, sequences=1, prompt_tokens=5, output_tokens=3),
    RoutingShape(layers=4, experts=8, top_k=8, sequences=2, prompt_tokens=3, output_tokens=2),
    RoutingShape(layers=3, experts=64, top_k=6, sequences=5, prompt_tokens=4, output_tokens=6),
)


class RouterContract:
    """Subclasses set `router`, a registered name, and its `options`."""

    router: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    """An experiment's ``routing`` without its ``source``."""
    assumptions: ClassVar[Mapping[str, Any]] = {}
    shapes: ClassVar[tuple[RoutingShape, ...]] = SHAPES
    """Those that it can draw; a recorded trace, say, has one number of layers."""
    seed_matters: ClassVar[bool] = True

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test for each of `shapes`."""
        if "shape" in metafunc.fixturenames:
            metafunc.parametrize("shape", self.shapes, ids=_shape_id)

    def source(self) -> RoutingSource:
        """A new source with `options`."""
        return routing_source({"source": self.router, **self.options}, "contract", Path())

    def draw(self, shape: RoutingShape, seed: int) -> Routing:
        """From a new source, under `assumptions`."""
        return self.source().draw(shape, seed, Assumptions(self.assumptions))

    def test_it_has_the_shape_asked_for(self, shape: RoutingShape) -> None:
        drawn = self.draw(shape, 0)
        token = (shape.layers, shape.top_k)
        assert drawn.prefill_experts.shape == (shape.sequences, shape.prompt_tokens, *token)
        assert drawn.decode_experts.shape == (shape.output_tokens, shape.sequences, *token)
        assert drawn.prefill_weights.shape == drawn.prefill_experts.shape
        assert drawn.decode_weights.shape == drawn.decode_experts.shape
        assert drawn.prefill_experts.dtype == drawn.decode_experts.dtype == np.uint16
        assert drawn.prefill_weights.dtype == drawn.decode_weights.dtype == np.float32
        assert drawn.num_experts == shape.experts

    def test_a_model_could_have_routed_so(self, shape: RoutingShape) -> None:
        """Ids below the number of experts, none twice in a token, the strongest first; weights sum to 1."""
        drawn = self.draw(shape, 0)
        drawn.validate("contract")
        for weights in (drawn.prefill_weights, drawn.decode_weights):
            np.testing.assert_allclose(weights.sum(axis=-1, dtype=np.float64), 1.0, atol=1e-5)
            assert (np.diff(weights, axis=-1) <= 1e-6).all()

    def test_one_seed_one_routing(self, shape: RoutingShape) -> None:
        """From a new source and from a used one, whatever was drawn before and whatever NumPy's own state is."""
        first = digest(self.draw(shape, 3))
        np.random.seed(1)
        source = self.source()
        source.draw(shape, 4, Assumptions(self.assumptions))
        assert digest(source.draw(shape, 3, Assumptions(self.assumptions))) == first

    def test_other_seeds_route_otherwise(self) -> None:
        shape = self.shapes[-1]
        drawn = {digest(self.draw(shape, seed)) for seed in range(4)}
        assert len(drawn) > 1 if self.seed_matters else len(drawn) == 1

    def test_other_processes_draw_the_same(self) -> None:
        """With other seeds of Python's hashes, on which the order of sets hangs."""
        shape = self.shapes[-1]
        call = json.dumps([self.router, dict(self.options), dict(self.assumptions), asdict(shape), 5])
        own = digest(self.draw(shape, 5))
        module = routers.get(self.router).__module__
        assert others(f"{__name__}:digest_of_call", call, module) == [own, own]

    def test_what_it_is_given_stays_as_it_is(self) -> None:
        before = json.dumps([dict(self.options), dict(self.assumptions)])
        self.draw(self.shapes[0], 0)
        assert json.dumps([dict(self.options), dict(self.assumptions)]) == before

    def test_options_it_does_not_have_are_refused(self) -> None:
        options = {"source": self.router, **self.options, "no-such-option": 1}
        with pytest.raises(InputError) as refused:
            routing_source(options, "my.yaml", Path())
        assert refused.value.where == "my.yaml"
        assert refused.value.field == "routing.no-such-option"

    def test_it_is_described(self) -> None:
        summary = routers.get(self.router).summary
        assert 10 <= len(summary) <= 120
        assert "\n" not in summary


def digest(routing: Routing) -> str:
    """Of every choice and weight."""
    tables = (routing.prefill_experts, routing.prefill_weights, routing.decode_experts, routing.decode_weights)
    return hashlib.sha256(b"".join(np.ascontiguousarray(table).tobytes() for table in tables)).hexdigest()


def digest_of_call(call: str) -> str:
    """As `RouterContract.draw`, in another process."""
    router, options, assumptions, shape, seed = json.loads(call)
    source = routing_source({"source": router, **options}, "contract", Path())
    return digest(source.draw(RoutingShape(**shape), seed, Assumptions(assumptions)))


def _shape_id(shape: RoutingShape) -> str:
    return f"{shape.layers} layers, top-{shape.top_k} of {shape.experts}, {shape.sequences} sequences"
