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
    """The same of several steps as columns [rows]: one row for every (step, layer, expert) asked for, in that order."""

    step: NDArray[np.int32]
    layer: NDArray[np.int32]
    expert: NDArray[np.int32]
    tokens: NDArray[np.int64]
    """Routed to that expert."""
    gate_weight: NDArray[np.float64]
    """Sum over those tokens."""
    starts: NDArray[np.int64]
    """[cells + 1]: rows starts[c] to starts[c + 1] are of cell c, which is (step - first step) * layers + layer."""


class TokenChoices(NamedTuple):
    """What single tokens chose in some steps and layers."""

    first_step: int
    first_layer: int
    experts: NDArray[np.uint16]
    """[steps, layers, tokens, k]; those that are no less than `Demand.num_experts` have no weights."""
    weights: NDArray[np.float32]
    """Same shape as `experts`; gate weights, each token's in the order of its choices."""


class Demand:
    """All layer demands of one run, in execution order: compressed rows, 14 bytes for each and 8 for each cell.

    The last `identity_experts` that the routing knows give tokens back as they are: nobody is asked for them. With an
    encoder the first `encoder_layers` MoE layers see the prompt alone, and the others what decoding routes, from its
    first token on, which belongs to step 0.
    """

    def __init__(
        self,
        routing: Routing,
        where: object = "experiment",
        encoder_layers: int | None = None,
        identity_experts: int = 0,
    ) -> None:
        self.routing = routing
        self._where = where
        self._encoder_layers = encoder_layers
        self.num_experts = routing.num_experts - identity_experts
        self.layers = int(routing.prefill_experts.shape[2])
        self.top_k = int(routing.prefill_experts.shape[3])
        self.steps = int(routing.decode_experts.shape[0]) + (encoder_layers is None)
        sizes, self._experts, self._tokens, self._gate_weights = _count(routing, self.steps, encoder_layers)
        self.identity_choices = 0
        """Choices of experts without weights, of all tokens and layers."""
        if identity_experts:
            sizes = self._without_identity(sizes)
        self._starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])

    @property
    def source(self) -> str:
        """One line: what the routing is, and how much of it fell on experts without weights."""
        if not self.identity_choices:
            return self.routing.source
        every = self.identity_choices + int(self._tokens.sum())
        return f"{self.routing.source}; {self.identity_choices:,} of {every:,} choices are of experts without weights"

    def _without_identity(self, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Drop the rows of experts without weights; returns what is left of the `sizes` of cells."""
        real = self._experts < self.num_experts
        self.identity_choices = int(self._tokens[~real].sum())
        cell = np.repeat(np.arange(len(sizes)), sizes)
        self._experts, self._tokens = self._experts[real], self._tokens[real]
        self._gate_weights = self._gate_weights[real]
        return np.bincount(cell[real], minlength=len(sizes)).astype(np.int64)

    def step(self, step: int) -> Iterator[LayerDemand]:
        """The layers of one step in which anybody is asked for."""
        first, last = self._rows_of(step, step + 1)
        starts = (self._starts[step * self.layers : (step + 1) * self.layers + 1] - first).tolist()
        experts = self._experts[first:last].tolist()
        tokens = self._tokens[first:last].tolist()
        gate_weights = self._gate_weights[first:last].tolist()
        for layer in range(self.layers):
            row = slice(starts[layer], starts[layer + 1])
            if row.start < row.stop:
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

    def experts_asked(self) -> NDArray[np.int64]:
        """[steps, layers] how many different experts are asked for."""
        return np.diff(self._starts).reshape(self.steps, self.layers)

    def choices_per_step(self, step: int) -> int:
        """Rows of one step: how often an expert of some layer is asked for."""
        first, last = self._rows_of(step, step + 1)
        return last - first

    def choices(self) -> list[TokenChoices]:
        """Token by token: of the prefill, then of decode.

        `InputError` where only counts were recorded: a policy that looks at single tokens cannot run on them.
        """
        if not self.routing.of_tokens:
            allowed = "a recording of tokens, for this policy decides by the gate weights of single tokens"
            raise InputError(self._where, "routing.file", Plain("counts of a batch"), allowed)
        return [
            TokenChoices(phase.first_step, phase.first_layer, _by_layer(phase.experts), _by_layer(phase.weights))
            for phase in _phases(self.routing, self._encoder_layers)
            if len(phase.experts)
        ]

    def active(self) -> NDArray[np.bool_]:
        """[steps, layers, experts]: was the expert asked for (the oracle's view of the future)."""
        active = np.zeros((self.steps * self.layers, self.num_experts), np.bool_)
        active[np.repeat(np.arange(len(active)), np.diff(self._starts)), self._experts] = True
        return active.reshape(self.steps, self.layers, self.num_experts)

    def _rows_of(self, first_step: int, last_step: int) -> tuple[int, int]:
        return int(self._starts[first_step * self.layers]), int(self._starts[last_step * self.layers])


class _Phase(NamedTuple):
    """Layers of steps that put the same tokens through the model."""

    first_step: int
    first_layer: int
    experts: NDArray[np.uint16]
    """[steps, tokens, layers, k]."""
    weights: NDArray[np.float32]


def _phases(routing: Routing, encoder_layers: int | None) -> tuple[_Phase, _Phase]:
    """Step 0 of the layers that see the prompt, and the other steps or layers: in execution order."""
    sequences, prompt, _, k = routing.prefill_experts.shape
    seen, decoded = slice(encoder_layers), slice(encoder_layers or 0, None)
    first, weights = routing.prefill_experts[:, :, seen], routing.prefill_weights[:, :, seen]
    size = (1, sequences * prompt, first.shape[2], k)
    return (
        _Phase(0, 0, first.reshape(size), _reshaped(weights, size)),
        _Phase(
            int(encoder_layers is None),
            encoder_layers or 0,
            routing.decode_experts[:, :, decoded],
            routing.decode_weights[:, :, decoded],
        ),
    )


def _count(
    routing: Routing, steps: int, encoder_layers: int | None
) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.int32], NDArray[np.float64]]:
    """How many rows each (step, layer) cell has, and their experts, tokens and sums of gate weights."""
    from moe_cosim.workloads.routing.kernels import count_choices  # compiled: Numba is slow to import

    phases = _phases(routing, encoder_layers)
    most = 0
    for phase in phases:
        count, tokens_each, layers, k = phase.experts.shape
        most += count * layers * min(routing.num_experts, tokens_each * k)
    sizes = np.zeros((steps, int(routing.prefill_experts.shape[2])), np.int64)
    experts, tokens = np.empty(most, np.uint16), np.empty(most, np.int32)
    gate_weights = np.empty(most, np.float64)
    rows = 0
    for phase in phases:
        count, _, layers, _ = phase.experts.shape
        alike = _all_alike(phase.weights)
        starts = np.zeros(count * layers + 1, np.int64)
        starts[0] = rows
        count_choices(
            np.ascontiguousarray(phase.experts),
            np.zeros((0, 0, 0, 0), np.float32) if alike else np.ascontiguousarray(phase.weights),
            float(phase.weights.flat[0]) if alike else 0.0,
            np.zeros((layers, routing.num_experts), np.int64),
            np.zeros((layers, routing.num_experts)),
            starts,
            experts,
            tokens,
            gate_weights,
        )
        there = sizes[phase.first_step : phase.first_step + count, phase.first_layer : phase.first_layer + layers]
        there[:] = np.diff(starts).reshape(count, layers)
        rows = int(starts[-1])
    return sizes.ravel(), _fitting(experts, rows), _fitting(tokens, rows), _fitting(gate_weights, rows)


def _fitting(column: NDArray[T], rows: int) -> NDArray[T]:
    """Its first `rows`, in a memory of their own if much would lie idle."""
    return column[:rows].copy() if 4 * rows < 3 * len(column) else column[:rows]


def _reshaped(values: NDArray[T], size: tuple[int, ...]) -> NDArray[T]:
    return np.broadcast_to(values.flat[0], size) if _all_alike(values) else values.reshape(size)


def _by_layer(values: NDArray[T]) -> NDArray[T]:
    """[steps, tokens, layers, k] to [steps, layers, tokens, k]."""
    return values.transpose(0, 2, 1, 3)


def _all_alike(values: NDArray[T]) -> bool:
    """Whether it is one number seen everywhere (equal gate weights): no need to read it all."""
    return values.size > 0 and not any(values.strides)
