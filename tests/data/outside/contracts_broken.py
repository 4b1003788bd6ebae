"""Every test class here must fail."""

from __future__ import annotations

import faulty  # noqa: F401 (registers; no entry point names it)

from moe_cosim.testing import AllocatorContract, EngineContract, PolicyContract, RouterContract, UnitModelContract


class TestForgets(PolicyContract):
    policy = "forgets"


class TestByHash(PolicyContract):
    policy = "by-hash"


class TestTooFast(EngineContract):
    engine = "too-fast"


class TestUnsteady(EngineContract):
    engine = "unsteady"


class TestUnseeded(RouterContract):
    router = "unseeded"


class TestTwice(RouterContract):
    router = "twice"


class TestSpendthrift(AllocatorContract):
    allocator = "spendthrift"


class TestWraps(UnitModelContract):
    unit_model = "wraps"
    fields = {"rate": {"value": "1 TFLOP/s", "source": "this test"}}  # noqa: RUF012
