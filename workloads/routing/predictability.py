"""How much of a layer's expert set can be known from the layer before: what a prefetcher could reach.

The predictor is Bernoulli naive Bayes: every expert of the next layer is scored by its log odds
given, for each expert of this layer, that it was or was not chosen (counts with half a token added);
the k best are predicted. It learns from every other document and is tested on the rest.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace

F32 = NDArray[np.float32]

_MOST_TOKENS: Final = 30_000
"""Per half; a table of at most 256 x 256 needs no more."""


def next_layer_predictability(trace: TokenTrace) -> tuple[float, float]:
    """Share of the next layer's experts predicted from this layer's set, and from popularity alone.

    Mean over layers 1 to the last; nan for both where there is one layer or one token.
    """
    if trace.layers < 2 or len(trace.experts) < 2:
        return float("nan"), float("nan")
    learn, test = _halves(trace)
    predicted, popular = [], []
    before = _chosen(trace, 0, learn), _chosen(trace, 0, test)
    for layer in range(1, trace.layers):
        now = _chosen(trace, layer, learn), _chosen(trace, layer, test)
        weights, offset = _log_odds(before[0], now[0])
        predicted.append(_found(before[1] @ weights + offset, now[1], trace.top_k))
        popularity = np.broadcast_to(now[0].mean(axis=0), now[1].shape)
        popular.append(_found(popularity, now[1], trace.top_k))
        before = now
    return float(np.mean(predicted)), float(np.mean(popular))


def _halves(trace: TokenTrace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token numbers to learn from (even documents) and to test on; one document is cut in the middle."""
    document = trace.document_of_token()
    if trace.documents == 1:
        document = (np.arange(len(document)) >= len(document) // 2).astype(np.int64)
    learn, test = np.flatnonzero(document % 2 == 0), np.flatnonzero(document % 2 == 1)
    return _thin(learn), _thin(test)


def _thin(tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    return tokens[:: 1 + (len(tokens) - 1) // _MOST_TOKENS]


def _chosen(trace: TokenTrace, layer: int, tokens: NDArray[np.int64]) -> F32:
    """[tokens, experts] 1 where chosen."""
    table = np.zeros((len(tokens), trace.num_experts), np.float32)
    np.put_along_axis(table, trace.experts[tokens, layer].astype(np.int64), 1.0, axis=1)
    return table


def _log_odds(before: F32, now: F32) -> tuple[F32, F32]:
    """Weights [experts before, experts now] and offsets [experts now] of the naive Bayes scores."""
    tokens = len(now)
    both = (before.T @ now).astype(np.float64)
    chosen_before, chosen_now = before.sum(axis=0)[:, None], now.sum(axis=0)[None, :]
    if_chosen = (both + 0.5) / (chosen_now + 1)
    if_not = (chosen_before - both + 0.5) / (tokens - chosen_now + 1)
    absent = np.log((1 - if_chosen) / (1 - if_not))
    prior = np.log((chosen_now[0] + 0.5) / (tokens - chosen_now[0] + 0.5))
    weights = np.log(if_chosen / if_not) - absent
    return weights.astype(np.float32), (absent.sum(axis=0) + prior).astype(np.float32)


def _found(scores: F32, chosen: F32, k: int) -> float:
    """Share of the chosen experts among the k with the best scores."""
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    return float(np.take_along_axis(chosen, best, axis=1).mean())
