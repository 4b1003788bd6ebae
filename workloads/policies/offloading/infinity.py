"""MoE-Infinity: experts are kept and fetched ahead by what a past request chose that routed like the present one.

Source: Xue et al., "MoE-Infinity" (arXiv 2401.14361): a matrix [layers, experts] counts what a request has activated;
of a collection of 1000 past ones the nearest by cosine says what comes next. At layer l an expert of layer i is worth
its share of that request's tokens x (1 - (i - l)/(L + 1)); the most valuable ones are fetched ahead, the least valuable
one leaves. The formula and the distance are those of its code (EfficientMoE/MoE-Infinity, commit d617801,
memory/expert_predictor.py and expert_tracer.py).

Inferred: which past requests there are (whole further sequences of the run's own router; the authors' are not known).
An expert of layer l, or before it, is asked for in the next token, i - l + L layers on. Guesses follow a layer's own
fetches on their lane, as many a layer as `prefetch_experts` says, and only where they are worth more than what they
replace; the code has a queue that runs for as long as nothing is asked for. In a batch the counts of its sequences are
one request's: the paper serves one at a time.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption
from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.options import EXPERTS, Options, option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.activation_matching import ActivationMatching
from moe_cosim.workloads.policies.parts.expert_slots import ExpertSlots, Key
from moe_cosim.workloads.policies.parts.gpu_cache import GpuCachePolicy

COLLECTION = Assumption(
    "infinity-collection",
    1000,
    (0, 10_000),
    "past requests whose activation matrices are kept: 1000 in arXiv 2401.14361 (0: the request's own counts stand for "
    "a past one's). Which requests they were is not published: further sequences of the run's router are taken",
)
CACHE_SHARE = Assumption(
    "infinity-cache-share",
    0.75,
    (0.5, 1.0),
    "most of the GPU's memory that cached experts may take: `device_memory_ratio` of the example in its README (commit "
    "d617801); what the measured runs had is not published. 1: all that the dense part leaves",
)
LEAST_SHARE: Final = 1e-8
"""Of a layer's tokens: what an expert is worth that the past request did not choose (commit d617801,
memory/expert_predictor.py)."""


class InfinityOptions(Options):
    cache_experts: int | None = option(
        None, "slots in the GPU's memory, shared by all layers; null: as many as it may have", unit="experts", ge=1
    )
    prefetch_experts: int = option(
        1,
        "experts of later layers that are fetched ahead in a layer, at most",
        unit="experts",
        ge=0,
        at_most=EXPERTS,
    )


@policies.register("moe-infinity")
class MoeInfinity(GpuCachePolicy):
    """One pool of slots for all layers."""

    summary = "expert cache and prefetch by the past request that routed most alike (MoE-Infinity, arXiv 2401.14361)"
    homes = ("host", "cxl", "near-data", "mixed")
    options_class = InfinityOptions
    assumptions = (COLLECTION, CACHE_SHARE)
    options: InfinityOptions

    def prepare(self) -> None:
        context = self.context
        weight_format = context.quantization.expert_format
        context.keep_all(weight_format)
        layers, experts = context.demand.layers, context.demand.num_experts
        count = self.options.cache_experts or self._slots(weight_format)
        count = min(count, layers * experts)
        context.require_slots(count, 1, "expert cache")
        self.pools = [ExpertSlots(context.gpu_slots("expert cache", weight_format, count))]
        self._matching = ActivationMatching(context.past_counts(round(context.number(COLLECTION))))
        self._worth = np.zeros(layers * experts)
        self._layer_of = np.repeat(np.arange(layers), experts)

    def _slots(self, weight_format: WeightFormat) -> int:
        context = self.context
        allowed = context.number(CACHE_SHARE) * context.capacity_bytes(context.gpu_memory)
        return min(context.gpu_slots_that_fit(weight_format), int(allowed // context.expert_bytes(weight_format)))

    def plan_layer(self, demand: LayerDemand) -> None:
        self._matching.see(demand.layer, demand.experts, demand.tokens)
        self._worth = self._worth_at(demand.layer)
        super().plan_layer(demand)
        for key in self._ahead(demand):
            self._fetch_ahead(key, demand)

    def _worth_at(self, layer: int) -> NDArray[np.float64]:
        """[keys] what each expert is worth once `layer` has chosen."""
        layers = self.context.demand.layers
        distance = (np.arange(layers) - layer - 1) % layers + 1  # its own experts are asked for one token later
        worth = (self._matching.shares() + LEAST_SHARE) * (1 - distance / (layers + 1))[:, None]
        return np.asarray(worth.ravel(), np.float64)

    def _ahead(self, demand: LayerDemand) -> list[Key]:
        """Those of later layers that the past request chose and that are not at hand, the most valuable first."""
        if not self.options.prefetch_experts or demand.step == 0:
            return []
        pool, chosen = self.pools[0], self._matching.shares().ravel() > 0
        later = np.flatnonzero((self._layer_of > demand.layer) & chosen)
        by_worth: list[Key] = later[np.argsort(-self._worth[later], kind="stable")].tolist()
        return [key for key in by_worth if key not in pool][: self.options.prefetch_experts]

    def _fetch_ahead(self, key: Key, demand: LayerDemand) -> None:
        experts = self.context.demand.num_experts
        pool = self.pools[0]
        held = pool.keys()
        pinned = {other for other in held if self._worth[other] >= self._worth[key]}
        weight_format = self.context.quantization.expert_format
        # behind the layer's own on their lane: a guess must not slow down what is asked for now
        self.fetch(pool, demand, key // experts, key % experts, weight_format, pinned, prefetch=False)

    def victim(self, candidates: list[Key], demand: LayerDemand) -> Key:
        """The least valuable, of equals the one used longest ago."""
        return candidates[int(np.argmin(self._worth[candidates]))]
