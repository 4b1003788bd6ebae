"""Mixtral-offloading: a least-recently-used cache of experts per layer, with speculative loading.

Source: Eliseev and Mazur, "Fast Inference of Mixture-of-Experts Language Models with Offloading"
(arXiv 2312.17238), sections 3.1 (LRU caching), 3.2 (speculative loading) and 3.3 (a few buffers shared by all layers:
what was guessed is loaded into them and replaces nothing; it enters the layer's cache when the gate does ask for it).
"""

from __future__ import annotations

from moe_cosim.assumptions import Assumption
from moe_cosim.options import option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.expert_slots import ExpertSlots, Key, oldest
from moe_cosim.workloads.policies.parts.gpu_cache import CacheOptions, GpuCachePolicy
from moe_cosim.workloads.policies.parts.speculation import Speculation

BUFFERS = 4
"""Of one expert each (arXiv 2312.17238, section 3.3: b = 4)."""
SPECULATION_ACCURACY = Assumption(
    "lru-speculation-accuracy",
    0.9,
    (0.0, 1.0),
    "share of the next layer's experts found by applying its gate to the current hidden state; "
    "HOBBIT (arXiv 2411.01433) measures 0.96 top-1 for its own predictor, one layer ahead",
)


class LruOptions(CacheOptions):
    """Slots, and the speculative loading of Eliseev and Mazur (arXiv 2312.17238, 3.2)."""

    speculative: bool = option(False, "fetch what the next layer's gate would choose for the present hidden state")


@policies.register("lru")
class LruCache(GpuCachePolicy):
    """Each layer has a cache of its own."""

    summary = "per-layer LRU expert cache on the GPU, optional speculative loading (Mixtral-offloading)"
    homes = ("host", "cxl", "near-data", "mixed", "flash")
    options_class = LruOptions
    assumptions = (SPECULATION_ACCURACY,)
    options: LruOptions

    def prepare(self) -> None:
        context = self.context
        weight_format = context.quantization.expert_format
        context.keep_all(weight_format)
        self._speculation: Speculation | None = None
        self._buffers = ExpertSlots([])
        if self.options.speculative:
            self._speculation = Speculation(context.demand, context.number(SPECULATION_ACCURACY), context.seed, ahead=1)
            self._buffers = ExpertSlots(context.gpu_slots("speculation buffers", weight_format, BUFFERS))
        self.per_layer_pools(weight_format, self.options.cache_experts)

    def plan_layer(self, demand: LayerDemand) -> None:
        wanted = [self.key(demand.layer, expert) for expert in demand.experts]
        for key in wanted:
            if key in self._buffers:
                self._take_in(key, wanted)
        super().plan_layer(demand)
        if self._speculation is None or demand.step == 0:
            return
        layer, weight_format = demand.layer + 1, self.context.quantization.expert_format
        self._buffers.clear()
        for expert in self._speculation.experts(demand.step, layer)[:BUFFERS]:
            if self.key(layer, expert) not in self.pool(layer):
                # behind the layer's own on their lane: a guess must not slow down what is asked for now
                self.fetch(self._buffers, demand, layer, expert, weight_format, (), prefetch=False)

    def _take_in(self, key: Key, wanted: list[Key]) -> None:
        """A guess was right: its buffer becomes a slot of the layer's cache, whose oldest becomes a buffer."""
        pool = self.pool(wanted[0] // self.context.demand.num_experts)
        place = pool.place(wanted, oldest)
        if place is not None:
            pool.put(key, self._buffers.exchange(key, *place))

    def victim(self, candidates: list[Key], demand: LayerDemand) -> Key:
        return oldest(candidates)
