"""Routing as policies see it: who is asked for, layer by layer, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.routing.routing import Routing

T = TypeVar("T", bound=np.generic)


@dataclass(slots=True)
class LayerDemand:
    """What the gate of one layer decided in one step. Lists run over the experts it chose."""

    step: int
    """0 is the prefill; decode steps count from 1."""
    layer: int
    """Counts MoE layers only."""
    experts: list[int]
    """Increasing."""
    tokens: list[int]
    """Tokens routed to each."""
    gate_weights: list[float]
    """Sum over those tokens of the normalised gate weight."""

    def busiest_first(self) -> list[tuple[int, int]]:
        """(expert, tokens): the most tokens first, of equals the lower expert first."""
        return sorted(zip(self.experts, self.tokens, strict=True), key=lambda row: (-row[1], row[0]))


class Demand:
    """All layer demands of one run, in execution order."""

    def __init__(self, routing: Routing) -> None:
        self.routing = routing
        self.num_experts = routing.num_experts
        self.layers = int(routing.prefill_experts.shape[2])
        self.top_k = int(routing.prefill_experts.shape[3])
        self.steps = 1 + int(routing.decode_experts.shape[0])
        self._cells = [_Cells(experts, weights, self.num_experts) for experts, weights in self.choices()]

    def step(self, step: int) -> Iterator[LayerDemand]:
        """The layers of one step."""
        cells, first = (self._cells[0], 0) if step == 0 else (self._cells[1], (step - 1) * self.layers)
        for layer in range(self.layers):
            yield cells.demand(first + layer, step, layer)

    def choices(self) -> list[tuple[NDArray[np.uint16], NDArray[np.float32]]]:
        """Experts and gate weights [steps, layers, tokens, k], token by token: the prefill (one step), the decode."""
        routing = self.routing
        found = [(_by_step(routing.prefill_experts), _by_step(routing.prefill_weights))]
        if self.steps > 1:
            found.append((routing.decode_experts.transpose(0, 2, 1, 3), routing.decode_weights.transpose(0, 2, 1, 3)))
        return found

    def active(self) -> NDArray[np.bool_]:
        """[steps, layers, experts]: was the expert asked for (the oracle's view of the future)."""
        return np.concatenate([cells.counts.reshape(-1, self.layers, self.num_experts) > 0 for cells in self._cells])


def _by_step(prefill: NDArray[T]) -> NDArray[T]:
    """[sequences, tokens, layers, k] to [1, layers, sequences * tokens, k]."""
    sequences, tokens, layers, k = prefill.shape
    if _all_alike(prefill):
        return np.broadcast_to(prefill.flat[0], (1, layers, sequences * tokens, k))
    return prefill.transpose(2, 0, 1, 3).reshape(1, layers, sequences * tokens, k)


def _all_alike(values: NDArray[T]) -> bool:
    """Whether it is one number seen everywhere (equal gate weights): no need to read it all."""
    return values.size > 0 and not any(values.strides)


class _Cells:
    """Counts per (step, layer) cell, kept as one compressed row each."""

    def __init__(self, experts: NDArray[np.uint16], weights: NDArray[np.float32], num_experts: int) -> None:
        from moe_cosim.workloads.routing.kernels import count_choices  # compiled: Numba is slow to import

        steps, layers, tokens, k = experts.shape
        cells = steps * layers
        self.counts = np.zeros((cells, num_experts), dtype=np.int64)
        sums = np.zeros((cells, num_experts))
        shape = (cells, tokens * k)
        if _all_alike(weights):
            count_choices(experts.reshape(shape), np.zeros((0, 0), np.float32), self.counts, sums)
            sums = self.counts * float(weights.flat[0])
        else:
            count_choices(experts.reshape(shape), weights.reshape(shape), self.counts, sums)
        rows, columns = np.nonzero(self.counts)
        self._starts = np.searchsorted(rows, np.arange(cells + 1)).tolist()
        self._experts = columns.tolist()
        self._tokens = self.counts[rows, columns].tolist()
        self._weights = sums[rows, columns].tolist()

    def demand(self, cell: int, step: int, layer: int) -> LayerDemand:
        row = slice(self._starts[cell], self._starts[cell + 1])
        return LayerDemand(step, layer, self._experts[row], self._tokens[row], self._weights[row])
