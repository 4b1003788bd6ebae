"""Drawing tokens from the latent model, version 2: the terms of `latent_field`, with normals read from a pool.

Counters take the place of streams: the noise of a token depends on seed, sequence, token and layer
alone. Sequences, and windows of tokens, can be drawn apart; only the slow term is run through the
tokens before a window, which costs a small part of drawing them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.routing.counter_based.pool import key, mixed, normal_pool
from moe_cosim.workloads.routing.latent import LatentParameters
from moe_cosim.workloads.routing.latent_model import LatentModel, latent_model
from moe_cosim.workloads.routing.routing import Experts, RoutingShape, Weights

if TYPE_CHECKING:
    from moe_cosim.workloads.routing.counter_based.tiles import LatentFields, Scratch

F32 = NDArray[np.float32]

LANES: Final = 16
"""Layers of a tile."""
ROWS: Final = 8
"""Places of a tile: what the experts of these layers look at."""
TILE: Final = LANES * ROWS

_NO_EXPERT: Final = -12.0
"""Level of rows and lanes that only fill up a tile: below any score."""
_FIXED_POINT: Final = 2.0**27
"""Of the keys, for scores of -16 to 16."""

_SCORES_AT_ONCE: Final = 2**28
"""Some tenths of a second."""

_DOMAIN_OF, _TOKENS = range(2)


@dataclass(frozen=True)
class Drawn:
    """The choices of some sequences; filled part by part with `draw_into`."""

    prefill_experts: Experts
    """[sequences, prompt, layers, k], the strongest choice first."""
    prefill_weights: Weights
    """Same shape."""
    decode_experts: Experts
    """[output, sequences, layers, k]."""
    decode_weights: Weights
    """Same shape."""
    experts: Experts
    """All of the above in one piece, [tokens * layers * k] of the prefill, then of the decode."""
    weights: Weights
    """Same shape."""

    @classmethod
    def empty(cls, shape: RoutingShape) -> Drawn:
        """Room for all tokens of `shape`, not filled."""
        prefill = (shape.sequences, shape.prompt_tokens, shape.layers, shape.top_k)
        decode = (shape.output_tokens, shape.sequences, shape.layers, shape.top_k)
        split, total = int(np.prod(prefill)), int(np.prod(prefill)) + int(np.prod(decode))
        experts, weights = np.empty(total, np.uint16), np.empty(total, np.float32)
        return cls(
            experts[:split].reshape(prefill),
            weights[:split].reshape(prefill),
            experts[split:].reshape(decode),
            weights[split:].reshape(decode),
            experts,
            weights,
        )


class PooledDraw:
    """What is made once for all parts of one draw.

    `domain`: draw all sequences from this one; otherwise each from one at random.
    """

    def __init__(
        self, parameters: LatentParameters, shape: RoutingShape, seed: int, weight_scale: float, domain: int | None
    ) -> None:
        self._shape = shape
        model = latent_model(
            shape.experts, shape.layers, parameters.domains, parameters.coupling, parameters.popularity_skewness
        )
        self._fields = _fields(parameters, model)
        self._key = np.uint64(key(seed, _TOKENS))
        of_domain = key(seed, _DOMAIN_OF)
        drawn = [mixed(of_domain ^ mixed(s)) * parameters.domains >> 64 for s in range(shape.sequences)]
        self._domains = np.array(drawn if domain is None else [domain] * shape.sequences, np.int64)
        self._step = np.float32(weight_scale / _FIXED_POINT / 64)

    def draw_into(self, drawn: Drawn, sequences: range, tokens: range) -> None:
        """Tokens count from the prompt's first to the output's last."""
        from moe_cosim.workloads.routing.counter_based.tiles import draw_sequences  # compiled: Numba is slow to import

        shape = self._shape
        draw_sequences(
            self._fields,
            _scratch(shape),
            self._domains,
            self._key,
            sequences.start,
            sequences.stop,
            tokens.start,
            tokens.stop,
            shape.prompt_tokens,
            shape.layers,
            shape.top_k,
            self._step,
            (1 << max(1, (shape.experts - 1).bit_length())) - 1,
            drawn.experts,
            drawn.weights,
        )


def draw_pooled(
    parameters: LatentParameters, shape: RoutingShape, seed: int, weight_scale: float, domain: int | None = None
) -> Drawn:
    """All tokens of all sequences, some at a time: compiled code does not hear Ctrl-C."""
    drawn = Drawn.empty(shape)
    whole = PooledDraw(parameters, shape, seed, weight_scale, domain)
    at_once = max(1, _SCORES_AT_ONCE // (shape.tokens_per_sequence * shape.layers * shape.experts))
    for first in range(0, shape.sequences, at_once):
        sequences = range(first, min(first + at_once, shape.sequences))
        whole.draw_into(drawn, sequences, range(shape.tokens_per_sequence))
    return drawn


def _fields(p: LatentParameters, model: LatentModel) -> LatentFields:
    from moe_cosim.workloads.routing.counter_based.tiles import LatentFields  # compiled: Numba is slow to import

    expert_of = np.argsort(model.places, axis=1)
    popular, of_domains = np.sqrt(p.popularity)[:, None], np.sqrt(p.domain)[:, None]
    steady = popular * np.take_along_axis(model.popularity, expert_of, axis=1) + of_domains * np.take_along_axis(
        model.domains, expert_of[None], axis=2
    )
    now, before = p.short_factors()
    slow = np.sqrt(p.slow)
    pool = normal_pool()
    return LatentFields(
        steady=np.stack([_tiled(of_domain, _NO_EXPERT) for of_domain in steady]).astype(np.float32),
        factors=np.stack(
            [
                _lanes(values)
                for values in (
                    np.sqrt(p.sequence),
                    np.sqrt(p.phase),
                    np.sqrt(p.phase),
                    slow,
                    p.slow_rho,
                    slow * np.sqrt(1 - p.slow_rho**2),
                    now,
                    before,
                    np.ones(p.layers),
                )
            ]
        ),
        pools=np.stack([pool * np.float32(np.sqrt(p.coupling / 2)), pool * np.float32(np.sqrt(1 - p.coupling))]),
        ids=_tiled(expert_of, 0).astype(np.int32),
    )


def _scratch(shape: RoutingShape) -> Scratch:
    from moe_cosim.workloads.routing.counter_based.tiles import Scratch  # compiled: Numba is slow to import

    chunks, tiles, groups = -(-shape.layers // LANES), -(-shape.experts // ROWS), -(-shape.top_k // ROWS)
    return Scratch(
        level=np.empty((2, chunks * tiles, TILE), np.float32),
        slow=np.empty((chunks * tiles, TILE), np.float32),
        common=np.empty((3, tiles, TILE), np.float32),
        hashes=np.empty((2, chunks * tiles), np.uint64),
        rows=np.empty(2 * TILE, np.int32),
        best=np.empty(groups * TILE, np.int32),
        weights=np.empty(groups * TILE, np.float32),
        total=np.empty(LANES, np.float32),
    )


def _tiled(values: NDArray[Any], empty: float) -> NDArray[Any]:
    """[layers, places] as [chunks * tiles, 128]: tiles of 8 places by 16 layers, filled up with `empty`."""
    layers, places = values.shape
    chunks, tiles = -(-layers // LANES), -(-places // ROWS)
    filled = np.full((chunks * LANES, tiles * ROWS), empty)
    filled[:layers, :places] = values
    return filled.reshape(chunks, LANES, tiles, ROWS).transpose(0, 2, 3, 1).reshape(chunks * tiles, TILE)


def _lanes(values: NDArray[np.float64]) -> F32:
    """[layers] as [chunks, 128]: the same in all rows, 0 where there is no layer."""
    chunks = -(-len(values) // LANES)
    filled = np.zeros(chunks * LANES, np.float32)
    filled[: len(values)] = values
    return np.repeat(filled.reshape(chunks, 1, LANES), ROWS, axis=1).reshape(chunks, TILE)
