"""Mixtral-offloading: a least-recently-used cache of experts per layer, with speculative loading.

Source: Eliseev and Mazur, "Fast Inference of Mixture-of-Experts Language Models with Offloading"
(arXiv 2312.17238), sections 3.1 (LRU caching) and 3.2 (speculative loading).
"""

from __future__ import annotations

from moe_cosim.assumptions import Assumption
from moe_cosim.options import option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.expert_slots import Key, oldest
from moe_cosim.workloads.policies.parts.gpu_cache import CacheOptions, GpuCachePolicy
from moe_cosim.workloads.policies.parts.speculation import Speculation

SPECULATION_ACCURACY = Assumption(
    "lru-speculation-accuracy",
    0.9,
    (0.0, 1.0),
    "share of the next layer's experts found by applying its gate to the current hidden state; "
    "HOBBIT (arXiv 2411.01433) measures 0.96 top-1 for its own predictor, one layer ahead",
)


class LruOptions(CacheOptions):
    speculative: bool = option(False, "fetch what the next layer's gate would choose for the present hidden state")


@policies.register("lru")
class LruCache(GpuCachePolicy):
    """Each layer has a cache of its own."""

    summary = "per-layer LRU expert cache on the GPU, optional speculative loading (Mixtral-offloading)"
    homes = ("host", "cxl", "near-data", "mixed")
    options_class = LruOptions
    assumptions = (SPECULATION_ACCURACY,)
    options: LruOptions

    def prepare(self) -> None:
        context = self.context
        weight_format = context.quantization.expert_format
        context.keep_all(weight_format)
        self.per_layer_pools(weight_format, self.options.cache_experts)
        self._speculation: Speculation | None = None
        if self.options.speculative:
            self._speculation = Speculation(context.demand, context.number(SPECULATION_ACCURACY), context.seed, ahead=1)

    def plan_layer(self, demand: LayerDemand) -> None:
        super().plan_layer(demand)
        if self._speculation is None or demand.step == 0:
            return
        layer = demand.layer + 1
        guessed = self._speculation.experts(demand.step, layer)
        pinned = {self.key(layer, expert) for expert in guessed}
        for expert in guessed:
            if self.key(layer, expert) not in self.pool(layer):
                weight_format = self.context.quantization.expert_format
                self.fetch(self.pool(layer), demand, layer, expert, weight_format, pinned, prefetch=True)

    def victim(self, candidates: list[Key], demand: LayerDemand) -> Key:
        return oldest(candidates)
