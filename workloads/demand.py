"""Routing as policies see it: who is asked for, layer by layer, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
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


class DemandRows(NamedTuple):
    """The same of several steps as columns: one row for every (step, layer, expert) asked for, in that order."""

    step: NDArray[np.int32]
    layer: NDArray[np.int32]
    expert: NDArray[np.int32]
    tokens: NDArray[np.int64]
    """Routed to that expert."""
    gate_weight: NDArray[np.float64]
    """Sum over those tokens."""
    starts: NDArray[np.int64]
    """[cells + 1]: rows starts[c] to starts[c + 1] are of cell c, which is (step - first step) * layers + layer."""


class Demand:
    """All layer demands of one run, in execution order: compressed rows, 14 bytes for each and 8 for each cell."""

    def __init__(self, routing: Routing, where: object = "experiment") -> None:
        self.routing = routing
        self._where = where
        self.num_experts = routing.num_experts
        self.layers = int(routing.prefill_experts.shape[2])
        self.top_k = int(routing.prefill_experts.shape[3])
        self.steps = 1 + int(routing.decode_experts.shape[0])
        self._starts, self._experts, self._tokens, self._gate_weights = _count(routing, self.steps)

    def step(self, step: int) -> Iterator[LayerDemand]:
        """The layers of one step."""
        first, last = self._rows_of(step, step + 1)
        starts = (self._starts[step * self.layers : (step + 1) * self.layers + 1] - first).tolist()
        experts = self._experts[first:last].tolist()
        tokens = self._tokens[first:last].tolist()
        gate_weights = self._gate_weights[first:last].tolist()
        for layer in range(self.layers):
            row = slice(starts[layer], starts[layer + 1])
            yield LayerDemand(step, layer, experts[row], tokens[row], gate_weights[row])

    def rows(self, first_step: int, last_step: int) -> DemandRows:
        """Steps `first_step` to `last_step`, the last excluded."""
        first, last = self._rows_of(first_step, last_step)
        starts = self._starts[first_step * self.layers : last_step * self.layers + 1] - first
        cell = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))
        step = cell // np.int32(self.layers)
        return DemandRows(
            step=step + np.int32(first_step),
            layer=cell - step * np.int32(self.layers),
            expert=self._experts[first:last].astype(np.int32),
            tokens=self._tokens[first:last].astype(np.int64),
            gate_weight=self._gate_weights[first:last],
            starts=starts,
        )

    def choices_per_step(self, step: int) -> int:
        """Rows of one step: how often an expert of some layer is asked for."""
        first, last = self._rows_of(step, step + 1)
        return last - first

    def choices(self) -> list[tuple[NDArray[np.uint16], NDArray[np.float32]]]:
        """Experts and gate weights [steps, layers, tokens, k], token by token: the prefill (one step), the decode.

        `InputError` where only counts were recorded: a policy that looks at single tokens cannot run on them.
        """
        routing = self.routing
        if not routing.of_tokens:
            allowed = "a recording of tokens, for this policy decides by the gate weights of single tokens"
            raise InputError(self._where, "routing.file", Plain("counts of a batch"), allowed)
        found = [(_by_step(routing.prefill_experts), _by_step(routing.prefill_weights))]
        if self.steps > 1:
            found.append((routing.decode_experts.transpose(0, 2, 1, 3), routing.decode_weights.transpose(0, 2, 1, 3)))
        return found

    def active(self) -> NDArray[np.bool_]:
        """[steps, layers, experts]: was the expert asked for (the oracle's view of the future)."""
        active = np.zeros((self.steps * self.layers, self.num_experts), np.bool_)
        active[np.repeat(np.arange(len(active)), np.diff(self._starts)), self._experts] = True
        return active.reshape(self.steps, self.layers, self.num_experts)

    def _rows_of(self, first_step: int, last_step: int) -> tuple[int, int]:
        return int(self._starts[first_step * self.layers]), int(self._starts[last_step * self.layers])


def _count(
    routing: Routing, steps: int
) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.int32], NDArray[np.float64]]:
    """Where each (step, layer) cell's rows start [cells + 1], and their experts, tokens and sums of gate weights."""
    from moe_cosim.workloads.routing.kernels import count_choices  # compiled: Numba is slow to import

    sequences, prompt, layers, k = routing.prefill_experts.shape
    phases = (
        (routing.prefill_experts, routing.prefill_weights, (1, sequences * prompt, layers, k)),
        (routing.decode_experts, routing.decode_weights, (steps - 1, sequences, layers, k)),
    )
    most = sum(size[0] * layers * min(routing.num_experts, size[1] * k) for _, _, size in phases)
    starts = np.zeros(steps * layers + 1, np.int64)
    experts, tokens = np.empty(most, np.uint16), np.empty(most, np.int32)
    gate_weights = np.empty(most, np.float64)
    counts = np.zeros((layers, routing.num_experts), np.int64)
    sums = np.zeros((layers, routing.num_experts))
    first_cell = 0
    for chosen, weights, size in phases:
        alike = _all_alike(weights)
        count_choices(
            np.ascontiguousarray(chosen).reshape(size),
            np.zeros((0, 0, 0, 0), np.float32) if alike else np.ascontiguousarray(weights).reshape(size),
            float(weights.flat[0]) if alike else 0.0,
            counts,
            sums,
            starts[first_cell:],
            experts,
            tokens,
            gate_weights,
        )
        first_cell += size[0] * layers
    rows = int(starts[-1])
    return starts, _fitting(experts, rows), _fitting(tokens, rows), _fitting(gate_weights, rows)


def _fitting(column: NDArray[T], rows: int) -> NDArray[T]:
    """Its first `rows`, in a memory of their own if much would lie idle."""
    return column[:rows].copy() if 4 * rows < 3 * len(column) else column[:rows]


def _by_step(prefill: NDArray[T]) -> NDArray[T]:
    """[sequences, tokens, layers, k] to [1, layers, sequences * tokens, k]."""
    sequences, tokens, layers, k = prefill.shape
    if _all_alike(prefill):
        return np.broadcast_to(prefill.flat[0], (1, layers, sequences * tokens, k))
    return prefill.transpose(2, 0, 1, 3).reshape(1, layers, sequences * tokens, k)


def _all_alike(values: NDArray[T]) -> bool:
    """Whether it is one number seen everywhere (equal gate weights): no need to read it all."""
    return values.size > 0 and not any(values.strides)
