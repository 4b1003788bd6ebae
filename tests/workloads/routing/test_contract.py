"""Every source of routing of the project meets the contract."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moe_cosim.testing import RouterContract
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace
from moe_cosim.workloads.routing.routing import RoutingShape, routers


class TestGenerator(RouterContract):
    router = "generator"
    options = {"preset": "mixtral-8x7b"}  # noqa: RUF012


class TestGeneratorOfOneDomain(RouterContract):
    router = "generator"
    options = {"preset": "deepseek-v2-lite", "domain": 0}  # noqa: RUF012


class TestBatch(RouterContract):
    router = "batch"
    shapes = tuple(RoutingShape(2, experts, k, 5, 3, 4) for experts, k in ((8, 1), (8, 2), (64, 6)))


class TestTrace(RouterContract):
    router = "trace"
    options = {"file": "trace.npz"}  # noqa: RUF012
    assumptions = {"routing-short-documents": "wrap"}  # noqa: RUF012
    shapes = (RoutingShape(3, 8, 2, 1, 1, 0), RoutingShape(3, 8, 2, 4, 5, 25))

    @pytest.fixture(autouse=True)
    def _trace(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Six documents of 20 tokens."""
        random = np.random.default_rng(0)
        experts = np.argsort(random.random((120, 3, 8)))[..., :2].astype(np.uint16)
        weights = np.broadcast_to(np.array([0.7, 0.3], np.float32), experts.shape)
        path = tmp_path / "trace.npz"
        TokenTrace(experts=experts, weights=weights, offsets=np.arange(0, 121, 20), num_experts=8).save(path)
        monkeypatch.setattr(self.__class__, "options", {"file": str(path)})


class TestPopularity(RouterContract):
    router = "popularity"
    options = {"file": "totals.npy"}  # noqa: RUF012
    shapes = (RoutingShape(3, 8, 2, 1, 1, 0), RoutingShape(3, 8, 8, 4, 5, 25), RoutingShape(3, 8, 3, 4, 5, 25))

    @pytest.fixture(autouse=True)
    def _totals(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        np.save(tmp_path / "totals.npy", np.random.default_rng(0).integers(1, 100, (3, 8)))
        monkeypatch.setattr(self.__class__, "options", {"file": str(tmp_path / "totals.npy")})


def test_every_registered_router_is_held_to_the_contract() -> None:
    assert {cls.router for cls in RouterContract.__subclasses__()} >= set(routers.names())
