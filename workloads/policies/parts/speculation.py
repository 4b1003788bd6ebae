"""Guesses at what a later layer's gate will choose, right with a given probability."""

from __future__ import annotations

import numpy as np

from moe_cosim.workloads.demand import Demand


class Speculation:
    """For every decode step and layer: the experts a predictor would name `ahead` layers earlier.

    Each truly chosen expert is named with probability `accuracy`, else a uniformly drawn other one
    is; drawn once from `seed`, so a run is repeatable.
    """

    def __init__(self, demand: Demand, accuracy: float, seed: int, ahead: int) -> None:
        active = demand.active()
        self._layers = active.shape[1]
        steps, layers, experts = np.nonzero(active)
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 0x5BEC, ahead])))
        wrong = generator.random(len(experts)) >= accuracy
        other = (experts + generator.integers(1, max(demand.num_experts, 2), len(experts))) % demand.num_experts
        cells = steps * self._layers + layers
        self._starts = np.searchsorted(cells, np.arange(active.shape[0] * self._layers + 1)).tolist()
        self._guesses = np.where(wrong, other, experts).tolist()

    def experts(self, step: int, layer: int) -> list[int]:
        """Increasing, without repeats; empty past the last layer."""
        if layer >= self._layers:
            return []
        cell = step * self._layers + layer
        return sorted(set(self._guesses[self._starts[cell] : self._starts[cell + 1]]))
