"""A few slots in the GPU's memory that experts pass through: filled, used once, filled again."""

from __future__ import annotations

from moe_cosim.workloads.plan import Copy, PlanBuilder


class StagingRing:
    """Slots used in turn. Every copy `fetch` gives must be run once, and `ran` told of it, before the
    ring has gone round."""

    def __init__(self, plan: PlanBuilder, addresses: list[int]) -> None:
        self._plan = plan
        self._addresses = addresses
        self._last_run = [-1] * len(addresses)
        self._next = 0

    def fetch(self, layer: int, expert: int, source: Copy) -> Copy:
        """Move an expert in once the run that used the slot before has ended.

        Moves alternate between the two copy lanes, so that localized copies come over two channels.
        """
        turn = self._next % len(self._addresses)
        prefetch = bool(self._next & 1)
        self._next += 1
        return self._plan.move(layer, expert, source, self._addresses[turn], prefetch, self._last_run[turn])

    def ran(self, copy: Copy, row: int) -> None:
        """Plan row `row` reads `copy`."""
        self._last_run[self._addresses.index(copy.address)] = row
