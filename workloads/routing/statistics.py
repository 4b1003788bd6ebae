"""What routing looks like: skew, locality, batches, predictability. Comparable across traces.

Each figure is measured per layer and averaged over layers. The definitions are those that reproduce
the published analysis of DeepSeek-V2-Lite and gpt-oss-20b traces (docs/routing.md).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError
from moe_cosim.workloads.routing.classes import class_shares
from moe_cosim.workloads.routing.predictability import next_layer_predictability
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace
from moe_cosim.workloads.routing.routing import Routing
from moe_cosim.workloads.routing.sets import expert_sets, overlap

F64 = NDArray[np.float64]

LONG_DOCUMENT: Final = 128
"""Tokens a document needs for its own skew and for its halves to be compared; shorter ones are noise."""
LAGS: Final = (1, 8, 64)
INDEPENDENT: Final = (8, 32, 128)
BATCHES: Final = (32, 512)
_PAIRS: Final = 100_000
_DRAWS: Final = 100
_MOST_EXPERTS: Final = 4096
"""Tables of experts by experts (`next_layer_predictability`) take some 0.8 GB then."""


@dataclass(frozen=True)
class RoutingStats:
    """Means over layers unless the name says otherwise; nan (None in `as_dict`) where a trace is too short."""

    where: str
    tokens: int
    documents: int
    layers: int
    top_k: int
    num_experts: int
    zipf_pooled: float
    """Least-squares slope of log count against log rank, sign turned; experts never used are left out."""
    zipf_one_sequence: float
    """Mean over documents of `LONG_DOCUMENT` tokens or more."""
    top_quarter_pooled: float
    """Share of the choices that go to the most used quarter of the experts."""
    top_quarter_one_sequence: float
    max_over_mean_pooled: float
    overlap_at_lag: dict[int, float]
    """Share of the k experts that tokens t and t + lag of one document have in common."""
    overlap_same_sequence: float
    """Of two different tokens of one document, every document counting alike."""
    overlap_other_sequence: float
    overlap_uniform: float
    """k / experts."""
    lag1_overlap_by_layer: list[float]
    lru_hit_rate: dict[int, float]
    """By capacity in experts per layer; each document starts cold; choices in the trace's order."""
    distinct_experts: dict[int, float]
    """Among that many independent tokens."""
    next_layer_predicted: float
    """Share of a layer's set found by naive Bayes on the set of the layer before."""
    next_layer_by_popularity: float
    halves_cosine: float
    """Between expert counts of the two halves of a document, mean over long documents."""
    batch_max_over_mean: dict[int, float]
    """Most used expert's load over the mean one, for batches of independent tokens."""
    batch_class_shares: list[float]
    """Shares of the choices of 512 independent tokens on the coldest 71 %, the next 24 % and the hottest 5 %
    of the experts, ranked anew in every batch (the classes of TriMoE, arXiv 2603.01058)."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON: plain types, text keys, None for what could not be measured."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def routing_stats(data: TokenTrace | Routing, seed: int = 0) -> RoutingStats:
    """Measure a trace, or what a run routes. `seed` is of the sampled pairs and batches.

    Raises `InputError` for a trace of more than 4096 experts.
    """
    from moe_cosim.workloads.routing.kernels import lru_depths  # compiled: Numba is slow to import

    trace = data if isinstance(data, TokenTrace) else TokenTrace.from_routing(data)
    if trace.num_experts > _MOST_EXPERTS:
        allowed = f"at most {_MOST_EXPERTS}: statistics hold a table of experts by experts"
        raise InputError(trace.where, "num_experts", trace.num_experts, allowed)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy=seed)))
    sets = expert_sets(trace.experts, trace.num_experts)
    document = trace.document_of_token()
    pooled = expert_counts(trace.experts, trace.num_experts)
    alone = _one_sequence(trace)
    lag1 = _at_lag(sets, document, 1)
    same, other = _random_pairs(trace, document, rng)
    layers = (np.ascontiguousarray(trace.experts[:, layer : layer + 1]) for layer in range(trace.layers))
    depths = np.concatenate([lru_depths(each, trace.offsets, trace.num_experts) for each in layers])
    hits = np.cumsum(depths[:, :-1], axis=1).mean(axis=0) / (len(trace.experts) * trace.top_k)
    predicted, by_popularity = next_layer_predictability(trace)
    return RoutingStats(
        where=trace.where,
        tokens=len(trace.experts),
        documents=trace.documents,
        layers=trace.layers,
        top_k=trace.top_k,
        num_experts=trace.num_experts,
        zipf_pooled=_mean([zipf_exponent(row) for row in pooled]),
        zipf_one_sequence=alone[0],
        top_quarter_pooled=_mean([top_share(row) for row in pooled]),
        top_quarter_one_sequence=alone[1],
        max_over_mean_pooled=float((pooled.max(axis=1) / pooled.mean(axis=1)).mean()),
        overlap_at_lag={lag: _mean(_at_lag(sets, document, lag) / trace.top_k) for lag in LAGS},
        overlap_same_sequence=_mean(overlap(sets, *same)) / trace.top_k,
        overlap_other_sequence=_mean(overlap(sets, *other)) / trace.top_k,
        overlap_uniform=trace.top_k / trace.num_experts,
        lag1_overlap_by_layer=[float(value) / trace.top_k for value in lag1],
        lru_hit_rate={c: float(hits[c - 1]) for c in _capacities(trace)},
        distinct_experts={b: _batches(trace, b, rng)[0] for b in INDEPENDENT},
        next_layer_predicted=predicted,
        next_layer_by_popularity=by_popularity,
        halves_cosine=alone[2],
        batch_max_over_mean={b: _batches(trace, b, rng)[1] for b in BATCHES},
        batch_class_shares=_class_shares(trace, rng),
    )


def counted_stats(counts: NDArray[np.float64], tokens: int, top_k: int, where: str) -> RoutingStats:
    """What counts [layers, experts] of a recording can say; the rest, for which single tokens are needed, is nan."""
    layers, experts = counts.shape
    nan = float("nan")
    return RoutingStats(
        where=where,
        tokens=tokens,
        documents=0,
        layers=layers,
        top_k=top_k,
        num_experts=experts,
        zipf_pooled=_mean([zipf_exponent(row) for row in counts]),
        zipf_one_sequence=nan,
        top_quarter_pooled=_mean([top_share(row) for row in counts]),
        top_quarter_one_sequence=nan,
        max_over_mean_pooled=float((counts.max(axis=1) / counts.mean(axis=1)).mean()),
        overlap_at_lag=dict.fromkeys(LAGS, nan),
        overlap_same_sequence=nan,
        overlap_other_sequence=nan,
        overlap_uniform=top_k / experts,
        lag1_overlap_by_layer=[nan] * layers,
        lru_hit_rate={},
        distinct_experts=dict.fromkeys(INDEPENDENT, nan),
        next_layer_predicted=nan,
        next_layer_by_popularity=nan,
        halves_cosine=nan,
        batch_max_over_mean=dict.fromkeys(BATCHES, nan),
        batch_class_shares=[nan] * 3,
    )


def expert_counts(experts: NDArray[np.uint16], num_experts: int) -> NDArray[np.int64]:
    """[layers, experts] how often each is chosen in `experts` [tokens, layers, k]."""
    layers = experts.shape[1]
    flat = experts.astype(np.int64) + np.arange(layers)[:, None] * num_experts
    return np.bincount(flat.ravel(), minlength=layers * num_experts).reshape(layers, num_experts)


def zipf_exponent(counts: NDArray[Any]) -> float:
    """Slope of log count over log rank of `counts` [experts]; nan when fewer than two experts are used."""
    used = np.sort(counts[counts > 0])[::-1]
    if len(used) < 2:
        return float("nan")
    x = np.log(np.arange(1, len(used) + 1))
    y = np.log(used)
    return float(-((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())


def top_share(counts: NDArray[Any]) -> float:
    """Share of the most used quarter of the experts (at least one) in `counts` [experts]."""
    most = np.sort(counts)[::-1][: max(1, round(len(counts) / 4))]
    return float(most.sum() / counts.sum())


def cosine(a: NDArray[np.int64], b: NDArray[np.int64]) -> F64:
    """Over the last axis of [..., n]."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    product: F64 = (x * y).sum(-1) / np.sqrt((x * x).sum(-1) * (y * y).sum(-1))
    return product


def _one_sequence(trace: TokenTrace) -> tuple[float, float, float]:
    """Zipf exponent, share of the top quarter, cosine of the halves: means over long documents."""
    zipf, top, halves = [], [], []
    for start, end in zip(trace.offsets[:-1], trace.offsets[1:], strict=True):
        if end - start < LONG_DOCUMENT:
            continue
        middle = (start + end) // 2
        first = expert_counts(trace.experts[start:middle], trace.num_experts)
        second = expert_counts(trace.experts[middle:end], trace.num_experts)
        zipf += [zipf_exponent(row) for row in first + second]
        top += [top_share(row) for row in first + second]
        halves.append(float(cosine(first, second).mean()))
    return _mean(zipf), _mean(top), _mean(halves)


def _at_lag(sets: NDArray[np.uint64], document: NDArray[np.int64], lag: int) -> F64:
    """[layers] experts in common at that distance; nan where no document is that long."""
    first = np.flatnonzero(document[:-lag] == document[lag:]) if lag < len(document) else np.empty(0, np.int64)
    return overlap(sets, first, first + lag)


def _random_pairs(
    trace: TokenTrace, document: NDArray[np.int64], rng: np.random.Generator
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Token pairs of one document (documents alike), and of two (by length)."""
    tokens = len(document)
    which = rng.integers(trace.documents, size=_PAIRS)
    start, length = trace.offsets[which], trace.lengths[which]
    one, two = start + rng.integers(length), start + rng.integers(length)
    first, second = rng.integers(tokens, size=_PAIRS), rng.integers(tokens, size=_PAIRS)
    same, other = one != two, document[first] != document[second]
    return (one[same], two[same]), (first[other], second[other])


def _batches(trace: TokenTrace, size: int, rng: np.random.Generator) -> tuple[float, float]:
    """Distinct experts, and the largest load over the mean one, of `size` tokens from anywhere."""
    distinct, imbalance = [], []
    for _ in range(_DRAWS):
        counts = expert_counts(trace.experts[rng.integers(len(trace.experts), size=size)], trace.num_experts)
        distinct.append(float((counts > 0).sum(axis=1).mean()))
        imbalance.append(float((counts.max(axis=1) / counts.mean(axis=1)).mean()))
    return _mean(distinct), _mean(imbalance)


def _class_shares(trace: TokenTrace, rng: np.random.Generator) -> list[float]:
    counts = [
        expert_counts(trace.experts[rng.integers(len(trace.experts), size=BATCHES[-1])], trace.num_experts)
        for _ in range(_DRAWS)
    ]
    found = class_shares(np.concatenate(counts))
    return [found.cold, found.warm, found.hot]


def _capacities(trace: TokenTrace) -> list[int]:
    """k, 2k, and a quarter, three eighths and half of the experts."""
    n, k = trace.num_experts, trace.top_k
    return sorted({c for c in (k, 2 * k, n // 4, 3 * n // 8, n // 2) if k <= c <= n})


def _mean(values: Any) -> float:
    array = np.asarray(values, np.float64)
    finite = array[np.isfinite(array)]
    return float(finite.mean()) if finite.size else float("nan")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
