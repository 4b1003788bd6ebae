"""A few slots in the GPU's memory that experts pass through: filled, used once, filled again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.plan import Copy, PlanBuilder

I64 = NDArray[np.int64]

RING_EXPERTS = 8
"""Slots of a ring: enough to fetch on two lanes while earlier ones are computed."""


class StagingRing:
    """Slots used in turn: one is filled again once the run that used it before has ended.

    Moves alternate between the two copy lanes, so that localized copies come over two channels.
    """

    def __init__(self, plan: PlanBuilder, addresses: list[int]) -> None:
        self._plan = plan
        self._addresses = addresses
        self._last_run = [-1] * len(addresses)
        self._next = 0

    def fetch(self, layer: int, expert: int, source: Copy) -> Copy:
        """Move an expert in. Every copy must be run once, and `ran` told of it, before the ring has gone round."""
        turn = self._next % len(self._addresses)
        prefetch = bool(self._next & 1)
        self._next += 1
        return self._plan.move(layer, expert, source, self._addresses[turn], prefetch, self._last_run[turn])

    def ran(self, copy: Copy, row: int) -> None:
        """Plan row `row` reads `copy`."""
        self._last_run[self._addresses.index(copy.address)] = row

    def turns(self, runs: I64) -> tuple[I64, I64, I64]:
        """The same for many experts that are moved, and run, in this order; `runs` are the rows that will read them.

        Returns the columns of their moves `target`, `prefetch` and `after_run`, each [runs].
        """
        count, slots = len(runs), len(self._addresses)
        turn = np.arange(self._next, self._next + count)
        slot = turn % slots
        before = np.concatenate([np.array(self._last_run)[(self._next + np.arange(slots)) % slots], runs])[:count]
        for used, run in zip(slot[-slots:].tolist(), runs[-slots:].tolist(), strict=True):
            self._last_run[used] = run
        self._next += count
        return np.array(self._addresses)[slot], turn & 1, before
