"""Guesses at what a later layer's gate will choose, right with a given probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.policies.parts.cells import cell_of


class Speculation:
    """For every decode step and layer: the experts a predictor would name `ahead` layers earlier.

    Each truly chosen expert is named with probability `accuracy`, else a uniformly drawn other one
    is; drawn once from `seed`, so a run is repeatable.
    """

    def __init__(self, demand: Demand, accuracy: float, seed: int, ahead: int) -> None:
        rows, experts = demand.rows(0, demand.steps), demand.num_experts
        count, self._layers = len(rows.expert), demand.layers
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 0x5BEC, ahead])))
        wrong = generator.random(count) >= accuracy
        other = (rows.expert + generator.integers(1, max(experts, 2), count)) % experts
        guesses = np.unique(cell_of(rows) * experts + np.where(wrong, other, rows.expert))
        self.guesses: NDArray[np.int32] = (guesses % experts).astype(np.int32)
        """Experts of one cell after the other, increasing, without repeats."""
        self.starts: NDArray[np.int64] = np.searchsorted(guesses, np.arange(len(rows.starts)) * experts)
        """[cells + 1]: those of cell c, which is step * layers + layer, are from starts[c] to starts[c + 1]."""

    def experts(self, step: int, layer: int) -> list[int]:
        """Increasing, without repeats; empty past the last layer."""
        if layer >= self._layers:
            return []
        first, last = self.starts[step * self._layers + layer :][:2]
        found: list[int] = self.guesses[first:last].tolist()
        return found
