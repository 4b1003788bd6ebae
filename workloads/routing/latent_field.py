"""Drawing tokens from the latent model, block by block, so that memory stays bounded.

Every random stream has its own key (what for, layer, sequence), and tokens are drawn in order from
it, so neither the size of a block nor the other sequences and layers change what a token gets.

Layers are coupled as real traces show: the residual stream runs through all of them, so layer l+4
is predicted from layer l nearly as well as layer l+1 is (DeepSeek-V2-Lite: 53 % against 56 %). So
every term is √κ of a field common to all layers, seen through a fixed permutation of the experts
per layer, and √(1−κ) of the layer's own. Sharing only `sequence` and `slow` cannot reach the
published 56-62 %: token by token they explain too little.

This is version 1 of how the numbers are drawn; version 2 is `moe_cosim.workloads.routing.counter_based`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.routing.latent import LatentParameters
from moe_cosim.workloads.routing.latent_model import LatentModel, latent_model, stream
from moe_cosim.workloads.routing.routing import Experts, RoutingShape, Weights

F32 = NDArray[np.float32]

_DOMAIN_OF, _COMMON, _LAYER = range(3, 6)

_BLOCK_VALUES: Final = 1 << 21
"""Normals of one kind drawn at once (8 MiB); results do not depend on it."""
_OPEN_STREAMS: Final = 4096
"""Random streams kept open at once; results do not depend on it."""


def draw_tokens(
    parameters: LatentParameters, shape: RoutingShape, seed: int, weight_scale: float, domain: int | None = None
) -> tuple[Experts, Weights]:
    """[sequences, prompt + output tokens, layers, k] experts (best first) and weights (sum 1).

    `domain`: draw all sequences from this one; otherwise each from one at random.
    """
    size = (shape.sequences, shape.tokens_per_sequence, shape.layers, shape.top_k)
    experts, weights = np.empty(size, np.uint16), np.empty(size, np.float32)
    model = latent_model(
        shape.experts, shape.layers, parameters.domains, parameters.coupling, parameters.popularity_skewness
    )
    domains = stream(seed, _DOMAIN_OF).integers(parameters.domains, size=shape.sequences)
    if domain is not None:
        domains[:] = domain
    for group in _blocks(shape.sequences, max(1, _OPEN_STREAMS // (shape.layers + 1))):
        members = range(group.start, group.stop)
        common = _Innovations([stream(seed, _COMMON, s) for s in members], shape.experts)
        layers = []
        for layer in range(shape.layers):
            own = _Innovations([stream(seed, _LAYER, layer, s) for s in members], shape.experts)
            layers.append(_Layer(parameters, model, layer, common, own, domains[group]))
        at_once = max(1, _BLOCK_VALUES // (len(members) * shape.experts * 2))
        for block in _blocks(shape.tokens_per_sequence, at_once):
            shared = common.take(block.stop - block.start)
            for number, layer_state in enumerate(layers):
                chosen, scores = layer_state.route(shared, shape.prompt_tokens - block.start, shape.top_k)
                experts[group, block, number] = chosen
                weights[group, block, number] = _softmax(scores, weight_scale)
    return experts, weights


class _Innovations:
    """Standard normals of some sequences: per sequence five vectors at the start, two per token."""

    def __init__(self, streams: list[np.random.Generator], experts: int) -> None:
        self._streams = streams
        self._experts = experts
        start = np.stack([stream.standard_normal((5, experts), dtype=np.float32) for stream in streams])
        self.sequence, self.prefill, self.decode, self.slow, self.before = start.swapaxes(0, 1)

    def take(self, tokens: int) -> F32:
        """[sequences, tokens, 2, experts]: the next `tokens` of every sequence."""
        values = np.empty((len(self._streams), tokens, 2, self._experts), np.float32)
        for source, out in zip(self._streams, values, strict=True):
            source.standard_normal(out=out, dtype=np.float32)
        return values


@dataclass
class _Layer:
    """One layer of some sequences, between blocks of tokens."""

    parameters: LatentParameters
    model: LatentModel
    layer: int
    common: _Innovations
    own: _Innovations
    domains: NDArray[np.int64]

    def __post_init__(self) -> None:
        p, i = self.parameters, self.layer
        self._shared, self._fresh = np.float32(np.sqrt(p.coupling)), np.float32(np.sqrt(1 - p.coupling))
        self._places = self.model.places[i]
        now, before = p.short_factors()
        rho = float(p.slow_rho[i])
        self._factors = np.array(
            [self._shared, self._fresh, rho, np.sqrt(1 - rho * rho), np.sqrt(p.slow[i]), now[i], before[i]], np.float32
        )
        steady = (
            _root(p.popularity[i]) * self.model.popularity[i]
            + _root(p.domain[i]) * self.model.domains[self.domains, i]
            + _root(p.sequence[i]) * self._mix(self.common.sequence, self.own.sequence)
        )
        phases = (
            self._mix(self.common.prefill, self.own.prefill),
            self._mix(self.common.decode, self.own.decode),
        )
        self._level = np.stack([steady + _root(p.phase[i]) * vector for vector in phases], axis=1)
        self._slow = self._mix(self.common.slow, self.own.slow)
        self._before = self._mix(self.common.before, self.own.before)

    def route(self, shared: F32, prompt_left: int, top_k: int) -> tuple[Experts, F32]:
        """[sequences, tokens, k] experts and scores z of the next tokens."""
        from moe_cosim.workloads.routing.kernels import choose_experts  # compiled: Numba is slow to import

        size = (shared.shape[0], shared.shape[1], top_k)
        chosen, scores = np.empty(size, np.uint16), np.empty(size, np.float32)
        choose_experts(
            shared,
            self.own.take(shared.shape[1]),
            self._places,
            self._level,
            self._slow,
            self._before,
            self._factors,
            prompt_left,
            chosen,
            scores,
        )
        return chosen, scores

    def _mix(self, common: F32, own: F32) -> F32:
        mixed: F32 = self._shared * common[..., self._places] + self._fresh * own
        return mixed


def _root(share: float) -> np.float32:
    return np.float32(np.sqrt(share))


def _softmax(scores: F32, scale: float) -> Weights:
    """Over the last axis, the first entry of which is the largest."""
    raised = np.exp(scale * (scores.astype(np.float64) - scores[..., :1]))
    weights: Weights = (raised / raised.sum(axis=-1, keepdims=True)).astype(np.float32)
    return weights


def _blocks(total: int, size: int) -> Iterator[slice]:
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))
