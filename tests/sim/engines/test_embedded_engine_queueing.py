"""Contention against queueing theory.

Requests that come at random (Poisson) to one memory all move at once, at equal rates: that is an
M/G/1 queue with processor sharing, whose mean sojourn is S / (1 - rho) whatever the distribution of
sizes (Kleinrock, Queueing Systems, vol. 2, section 4.4). A memory that served one request after the
other would be M/D/1 for constant sizes, with S (1 + rho / (2 (1 - rho))): at rho = 0.8 it is 3 S, not 5 S.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.testing.engine.machines import GB_PER_S, memory, one_memory, unit
from moe_cosim.workloads.programs.program import ACCESS, COMPUTE, EVENT, STREAM, TAG, Program

REQUESTS = 60_000
MEAN_BYTES = 10_000
SERVICE_PS = 100_000  # at 100 GB/s

Sizes = Callable[[np.random.Generator], NDArray[np.float64]]


def constant(rng: np.random.Generator) -> NDArray[np.float64]:
    return np.full(REQUESTS, MEAN_BYTES, dtype=np.float64)


def exponential(rng: np.random.Generator) -> NDArray[np.float64]:
    return np.maximum(rng.exponential(MEAN_BYTES, REQUESTS), 1)


@pytest.mark.parametrize("sizes", [constant, exponential])
@pytest.mark.parametrize("load", [0.3, pytest.param(0.6, marks=pytest.mark.slow), 0.8])
def test_random_requests_wait_as_under_processor_sharing(load: float, sizes: Sizes) -> None:
    machine = one_memory([unit("u", REQUESTS)], memory(rate=100 * GB_PER_S))
    sojourns = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        arrival_ps = np.cumsum(rng.exponential(SERVICE_PS / load, REQUESTS))
        events = np.zeros((REQUESTS, 2), dtype=EVENT)
        events["lane"] = np.arange(REQUESTS)[:, None]
        events["kind"] = COMPUTE, STREAM
        events["busy_ps"][:, 0] = arrival_ps
        events["first_access"][:, 1] = np.arange(REQUESTS)
        events["accesses"][:, 1] = 1
        accesses = np.zeros(REQUESTS, dtype=ACCESS)
        accesses["bytes"] = sizes(rng)
        program = Program(machine.lanes, events.reshape(-1), accesses, np.zeros(1, dtype=TAG))
        timeline = EmbeddedEngine().run(machine, program)
        sojourns.append((timeline.end_ps - timeline.start_ps)[1::2].mean())
    assert np.mean(sojourns) == pytest.approx(SERVICE_PS / (1 - load), rel=0.03)
