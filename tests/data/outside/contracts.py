"""What the package's author writes: a class for each plug-in."""

from __future__ import annotations

import pytest
from outside_cluster import stand_ins

from moe_cosim.testing import (
    AllocatorContract,
    EngineContract,
    PolicyContract,
    RouterContract,
    SchedulerContract,
    UnitModelContract,
)


class TestPolicy(PolicyContract):
    policy = "outside"


class TestEngine(EngineContract):
    engine = "outside"


class TestRouter(RouterContract):
    router = "outside"
    options = {"skew": 1.5}  # noqa: RUF012


class TestAllocator(AllocatorContract):
    allocator = "outside"


class TestUnitModel(UnitModelContract):
    unit_model = "outside"
    fields = {"rate": {"value": "1 TFLOP/s", "source": "this test"}}  # noqa: RUF012


class TestScheduler(SchedulerContract):
    scheduler = "outside"
    unknown_job = "999[].pbs"

    @pytest.fixture
    def cluster(self, tmp_path):
        with stand_ins(tmp_path) as state:
            yield state
