"""Routing of large batches: expert classes by their share of the tokens, drifting step by step.

In a batch of hundreds the single token hardly matters; what a machine sees is each expert's load.
The latent generator (`moe_cosim.workloads.routing.latent`) models tokens and takes seconds for such a batch;
this one draws loads whose classes are given, in milliseconds.

Per layer the experts are ranked by a score; the expert of rank r is chosen in proportion to w(r),
k different ones per token (drawn one after the other without replacement, Plackett-Luce). log w is
linear in rank within each class and continuous between them, so three numbers fix it: the classes'
shares of the tokens (two are free), and how far the coldest expert lies below the warm ones
(`coldest`). Scores drift: in step t they are sqrt(1 - d) of a part that lasts the run and sqrt(d) of
one that is AR(1) over the steps, so the classes keep their shares while their members change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError, Plain
from moe_cosim.options import Options, option
from moe_cosim.workloads.routing.counter_based.pool import key
from moe_cosim.workloads.routing.routing import VERSION_MEANS, Experts, Routing, RoutingShape, RoutingSource, routers

DRIFT: Final = Assumption(
    "batch-routing-drift",
    0.03,
    (0.0, 0.5),
    "share of the variance of experts' popularity that changes while a batch decodes; not published. Chosen so that "
    "TriMoE's predictor is about as often right as the paper says (78 %)",
)
RHO: Final = Assumption(
    "batch-routing-drift-memory",
    0.9,
    (0.0, 0.999),
    "correlation from one step to the next of what drifts; in the decode traces of gpt-oss-20b the slowly changing "
    "part of a token's routing keeps 0.918 per token (workloads/routing/presets/gpt-oss-20b.yaml)",
)

_SCORE, _DRIFT, _TOKENS = range(3)
_CHOICES_AT_ONCE: Final = 2**24


class BatchOptions(Options):
    """The defaults are TriMoE's (arXiv 2603.01058): cold is more than 70 % of the experts and 8 % of the tokens,
    warm 20-40 % of the experts and up to 70 % of the tokens, hot the rest."""

    hot_experts: float = option(0.05, "share of a layer's experts that are hot", gt=0, lt=1)
    hot_tokens: float = option(0.27, "share of the tokens that go to hot experts", gt=0, lt=1)
    cold_experts: float = option(0.71, "share of a layer's experts that are cold", gt=0, lt=1)
    cold_tokens: float = option(0.08, "share of the tokens that go to cold experts", gt=0, lt=1)
    version: int = option(2, VERSION_MEANS, ge=1, le=2)


@routers.register("batch")
class BatchSource(RoutingSource):
    """Experts that are neither hot nor cold are warm."""

    summary: ClassVar[str] = "synthetic routing of large batches: hot, warm and cold experts with given shares"
    options_class = BatchOptions
    follows_sequences = False
    assumptions = (DRIFT, RHO)
    options: BatchOptions

    def __init__(self, options: Mapping[str, Any], where: object, folder: Path) -> None:
        super().__init__(options, where, folder)
        self._where = where
        self.hot, self.hot_tokens = self.options.hot_experts, self.options.hot_tokens
        self.cold, self.cold_tokens = self.options.cold_experts, self.options.cold_tokens
        if self.hot + self.cold >= 1 or self.hot_tokens + self.cold_tokens >= 1:
            raise InputError(where, "routing.hot_experts", self.hot, "shares that leave some to the warm experts")

    def draw(self, shape: RoutingShape, seed: int, assumptions: Assumptions) -> Routing:
        self._refuse_few(shape)
        drift, rho = assumptions.number(DRIFT), assumptions.number(RHO)
        weight_of_rank = class_weights(
            shape.experts, self.hot, self.hot_tokens, self.cold, self.cold_tokens, shape.top_k
        )
        draw = _draw if self.options.version == 2 else _draw_version_1
        prefill_experts, decode_experts = draw(weight_of_rank, shape, seed, drift, rho)
        return Routing(
            prefill_experts=prefill_experts,
            prefill_weights=_equal(prefill_experts.shape),
            decode_experts=decode_experts,
            decode_weights=_equal(decode_experts.shape),
            num_experts=shape.experts,
            source=(
                f"batch generator version {self.options.version}, seed {seed}: {self.hot:.0%} hot experts with "
                f"{self.hot_tokens:.0%} of the tokens, {self.cold:.0%} cold with {self.cold_tokens:.0%}"
            ),
        )

    def _refuse_few(self, shape: RoutingShape) -> None:
        """A class without an expert has nobody for its tokens."""
        hot, warm, cold = class_sizes(shape.experts, self.hot, self.cold)
        if min(warm, cold) < 1:
            found = Plain(f"{hot} hot, {warm} warm and {cold} cold of {shape.experts} experts")
            raise InputError(self._where, "routing.cold_experts", found, "shares that give each class an expert")


def class_sizes(experts: int, hot: float, cold: float) -> tuple[int, int, int]:
    """Hot, warm and cold experts of one layer."""
    hot_count, cold_count = max(1, round(hot * experts)), round(cold * experts)
    return hot_count, experts - hot_count - cold_count, cold_count


def class_weights(
    experts: int, hot: float, hot_tokens: float, cold: float, cold_tokens: float, top_k: int
) -> NDArray[np.float64]:
    """[experts] chance of each rank, hottest first, such that the classes get their shares of the choices.

    Drawing k different experts flattens the top, so the weights are sharpened until the expected
    loads (of Poisson sampling, which is close) have the shares.
    """
    hot_count, warm_count, cold_count = class_sizes(experts, hot, cold)
    shares = np.array([hot_tokens, 1 - hot_tokens - cold_tokens, cold_tokens])
    counts = np.array([hot_count, warm_count, cold_count])
    ranks = [np.linspace(1, 0, max(count, 1))[:count] for count in counts]
    # spread of each class: hottest over coldest member, as far as continuity between classes suggests
    means = shares / counts
    spread = np.array([np.log(4.0), 0.8 * np.log(means[0] / means[1]), 0.8 * np.log(max(means[1] / means[2], 2.0))])
    loads = [np.exp(s * r) for s, r in zip(spread, ranks, strict=True)]
    wanted = np.concatenate([share * load / load.sum() for share, load in zip(shares, loads, strict=True)])
    included = np.minimum(wanted * top_k, 0.98)  # chance that a token chooses it; nobody is always chosen
    # weights whose draws without replacement include each expert so often: theta with 1 - exp(-theta w)
    weights: NDArray[np.float64] = -np.log1p(-included)
    return np.asarray(weights / weights.sum())


def _draw(
    weight_of_rank: NDArray[np.float64], shape: RoutingShape, seed: int, drift: float, rho: float
) -> tuple[Experts, Experts]:
    """Prefill [sequences, prompt, layers, k] and decode [output, sequences, layers, k]."""
    from moe_cosim.workloads.routing.counter_based.by_rank import alias_table, draw_by_rank  # compiled

    lasting = _normals(seed, _SCORE, shape.layers, shape.experts)
    moving = _normals(seed, _DRIFT, shape.output_tokens + 2, shape.layers, shape.experts)
    order = np.stack(list(_orders(lasting, moving[0], moving[1:], drift, rho))).astype(np.uint16)
    threshold, alias = alias_table(weight_of_rank)
    prefill = np.empty((1, shape.sequences * shape.prompt_tokens, shape.layers, shape.top_k), np.uint16)
    decode = np.empty((shape.output_tokens, shape.sequences, shape.layers, shape.top_k), np.uint16)
    for phase, (held, chosen) in enumerate(((order[:1], prefill), (order[1:], decode))):
        of_phase = np.uint64(key(seed, _TOKENS, phase))
        for steps, tokens in _parts(chosen.shape):
            seen = np.zeros(shape.experts, np.int64)
            part = chosen[steps, tokens]
            draw_by_rank(held[steps], threshold, alias, of_phase, steps.start, tokens.start, seen, part)
    return prefill.reshape(shape.sequences, shape.prompt_tokens, shape.layers, shape.top_k), decode


def _parts(size: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """[steps, tokens, layers, k] in parts of whole steps, or of one step, that lie in one piece: compiled code does not
    hear Ctrl-C, and these take some tenths of a second."""
    steps, tokens, layers, k = size
    tokens_at_once = min(tokens, max(1, _CHOICES_AT_ONCE // (layers * k)))
    steps_at_once = max(1, _CHOICES_AT_ONCE // max(1, tokens * layers * k)) if tokens_at_once == tokens else 1
    for step in range(0, steps, steps_at_once):
        for token in range(0, tokens, max(1, tokens_at_once)):
            yield slice(step, min(step + steps_at_once, steps)), slice(token, min(token + tokens_at_once, tokens))


def _draw_version_1(
    weight_of_rank: NDArray[np.float64], shape: RoutingShape, seed: int, drift: float, rho: float
) -> tuple[Experts, Experts]:
    from moe_cosim.workloads.routing.kernels import choose_by_weight  # compiled: Numba is slow to import

    cumulative = _cumulative(weight_of_rank, shape, 1 + shape.output_tokens, seed, drift, rho)
    prefill = choose_by_weight(cumulative[:1], shape.sequences * shape.prompt_tokens, shape.top_k, _number(seed, 0))
    decode = choose_by_weight(cumulative[1:], shape.sequences, shape.top_k, _number(seed, 1))
    size = (shape.sequences, shape.prompt_tokens, shape.layers, shape.top_k)
    return prefill[0].swapaxes(0, 1).reshape(size), decode.swapaxes(1, 2)


def _cumulative(
    weight_of_rank: NDArray[np.float64], shape: RoutingShape, steps: int, seed: int, drift: float, rho: float
) -> NDArray[np.float64]:
    """[steps, layers, experts] running sums of every step's weights."""
    lasting = _normals(seed, _SCORE, shape.layers, shape.experts)
    moving = _normals(seed, _DRIFT, (steps + 1) * shape.layers, shape.experts)
    moving = moving.reshape(steps + 1, shape.layers, shape.experts)
    found = np.empty((steps, shape.layers, shape.experts))
    for step, order in enumerate(_orders(lasting, moving[steps], moving[:steps], drift, rho)):
        weights = np.empty_like(lasting)
        np.put_along_axis(weights, order, np.broadcast_to(weight_of_rank, order.shape), axis=1)
        found[step] = np.cumsum(weights, axis=1)
    return found


def _orders(
    lasting: NDArray[np.float64], start: NDArray[np.float64], moving: NDArray[np.float64], drift: float, rho: float
) -> Iterator[NDArray[np.int64]]:
    """[layers, experts] who holds each rank, step by step, as scores drift."""
    state = start
    for innovation in moving:
        state = rho * state + np.sqrt(1 - rho * rho) * innovation
        yield np.argsort(-(np.sqrt(1 - drift) * lasting + np.sqrt(drift) * state), axis=1, kind="stable")


def _normals(seed: int, purpose: int, *size: int) -> NDArray[np.float64]:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 0xBA7C, purpose]))).standard_normal(size)


def _number(seed: int, phase: int) -> int:
    """A starting state for the compiled generator."""
    state = np.random.SeedSequence([seed, 0xBA7C, _TOKENS, phase]).generate_state(1, np.uint64)[0]
    return int(state) & (2**63 - 1)


def _equal(size: tuple[int, ...]) -> NDArray[np.float32]:
    """Gate weights: all experts of a token alike (read-only; nothing here depends on them)."""
    return np.broadcast_to(np.float32(1 / size[-1]), size)
