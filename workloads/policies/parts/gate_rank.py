"""How strongly single tokens chose an expert."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.demand import Demand


def best_ranks(demand: Demand) -> NDArray[np.int64]:
    """[steps, layers, experts] the best rank by gate weight that any token gives the expert: 0 for its strongest, of
    equals the one that the gate names first; k where no token asks for it.

    Raises `InputError` where only counts were recorded.
    """
    found = np.full((demand.steps, demand.layers, demand.num_experts), demand.top_k, dtype=np.int64)
    for first_step, first_layer, experts, weights in demand.choices():
        ranked = np.take_along_axis(experts, np.argsort(-weights, axis=-1, kind="stable"), axis=-1)
        step, layer = np.indices(experts.shape[:2]).reshape(2, *experts.shape[:2], 1, 1)
        rank = np.arange(demand.top_k)
        columns = np.broadcast_arrays(first_step + step, first_layer + layer, ranked, rank)
        has_weights = ranked < demand.num_experts
        *at, ranks = (column[has_weights] for column in columns)
        np.minimum.at(found, tuple(at), ranks)
    return found
