"""A trace that stays in its file: what a run needs is read in a second pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.routing.recorded.row_index import index_of, key_of
from moe_cosim.workloads.routing.recorded.rows import RowSource
from moe_cosim.workloads.routing.recorded.trace import Trace
from moe_cosim.workloads.routing.routing import Experts, Weights, normalised


class RowTrace(Trace):
    """Every sequence of a `RowSource` as a document, in the order of their numbers. Raises `InputError`."""

    def __init__(self, source: RowSource) -> None:
        self._source = source
        self._index = index_of(source)
        self.offsets = self._index.offsets()
        self.num_experts_known = source.num_experts is not None
        self.num_experts = source.num_experts or self._index.num_experts
        self.prompt_tokens, self.domains = source.prompt_tokens, source.domains
        self.where = str(source.where)

    @property
    def has_weights(self) -> bool:
        return self._index.has_weights

    @property
    def layers(self) -> int:
        return len(self._index.layers)

    @property
    def top_k(self) -> int:
        return self._index.top_k

    def take(self, tokens: NDArray[np.int64]) -> tuple[Experts, Weights | None]:
        wanted, place = np.unique(tokens, return_inverse=True)
        keys = self._index.keys[wanted]
        experts = np.zeros((len(wanted), self.layers, self.top_k), np.uint16)
        weights = np.zeros(experts.shape, np.float32) if self._index.has_weights else None
        left = len(wanted) * self.layers
        for rows in self._source.blocks():
            found = key_of(rows)
            at = np.minimum(np.searchsorted(keys, found), len(keys) - 1)
            hit = keys[at] == found
            layer = np.searchsorted(self._index.layers, rows.layer[hit])
            experts[at[hit], layer] = rows.experts[hit]
            if weights is not None and rows.weights is not None:
                weights[at[hit], layer] = normalised(rows.weights[hit])
            left -= int(hit.sum())
            if not left:
                break
        shape = (*tokens.shape, self.layers, self.top_k)
        place = place.reshape(-1)
        return experts[place].reshape(shape), None if weights is None else weights[place].reshape(shape)
