"""FlashMoE: experts on an SSD; a layer's cache in the GPU's memory gives up whom a small network expects last.

Source: Kim et al., "FlashMoE: Reducing SSD I/O Bottlenecks via ML-Based Cache Replacement for Mixture-of-Experts
Inference on Edge Devices" (arXiv 2601.17063), second-hand: the paper's text was not at hand, its rules are those that
summaries in public repositories give alike, and those of an implementation of its predictor by others (malmong/CECAR,
commit 8e46ad2). Each expert is a file; what a layer asks for and has not is read before its kernels run. A network of
each layer (`eviction_net`) sees recency and frequency of all experts (`use_history`) and stands for Belady's rule, from
whose distances it learned on texts of TriviaQA; whoever it expects last leaves.

Inferred: the network is trained on further runs of the run's own router, of its lengths, never on the run itself. A
prompt is one step: its experts are equally recent. Equal expectations: the least recently used leaves. Training and
asking the network take no time. Its rivals are LRU and LFU; of LFU it is not said whether an expert that left keeps its
count: `lfu` forgets it (as the implementation above does), `lfu-history` keeps it.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from moe_cosim.assumptions import Assumption
from moe_cosim.options import option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.eviction_net import EvictionNet
from moe_cosim.workloads.policies.parts.expert_slots import Key, oldest
from moe_cosim.workloads.policies.parts.gpu_cache import CacheOptions, GpuCachePolicy
from moe_cosim.workloads.policies.parts.use_history import UseHistory, lessons

PAST_RUNS: Final = Assumption(
    "flash-moe-past-runs",
    32,
    (1, 1000),
    "runs of the batch's size and the run's lengths that the predictor learned from; the paper records texts of "
    "TriviaQA (arXiv 2601.17063), how many was not found. Few teach too little, many take long",
)


class FlashMoeOptions(CacheOptions):
    evict: Literal["learned", "lru", "lfu", "lfu-history"] = option(
        "learned",
        "who leaves: whom the network expects last, the least recently used, or the least often used (since it came, "
        "or since the run began)",
    )


@policies.register("flash-moe")
class FlashMoe(GpuCachePolicy):
    """One network and one pool of slots a layer."""

    summary = "experts on an SSD, per-layer cache that evicts by learned reuse distance (FlashMoE, arXiv 2601.17063)"
    homes = ("flash", "host", "cxl", "near-data", "mixed")
    options_class = FlashMoeOptions
    assumptions = (PAST_RUNS,)
    options: FlashMoeOptions

    def prepare(self) -> None:
        context = self.context
        weight_format = context.quantization.expert_format
        context.keep_all(weight_format)
        self.per_layer_pools(weight_format, self.options.cache_experts)
        layers, experts = context.demand.layers, context.demand.num_experts
        self._history = UseHistory(layers, experts)
        self._since = np.zeros((layers, experts))  # it came
        self._nets = self._learn() if self.options.evict == "learned" else []

    def _learn(self) -> list[EvictionNet]:
        """Of each layer, from other runs; none where there are none to learn from."""
        runs = self.context.past_runs(round(self.context.number(PAST_RUNS)))
        if not runs:
            return []
        features, distances = (np.concatenate(each) for each in zip(*(lessons(run) for run in runs), strict=True))
        layers = range(self.context.demand.layers)
        return [
            EvictionNet.trained(features[:, at].copy(), distances[:, at].copy(), self.context.seed) for at in layers
        ]

    def plan_layer(self, demand: LayerDemand) -> None:
        pool, layer = self.pool(demand.layer), demand.layer
        held = [self.key(layer, expert) in pool for expert in demand.experts]
        self._history.see(layer, demand.step, demand.experts, demand.tokens)
        self._since[layer, demand.experts] = self._since[layer, demand.experts] * held + demand.tokens
        if self._nets:
            self._expected = self._nets[layer].distances(self._history.features(layer, demand.step))
        super().plan_layer(demand)

    def victim(self, candidates: list[Key], demand: LayerDemand) -> Key:
        experts = np.array(candidates) - self.key(demand.layer, 0)
        if self.options.evict.startswith("lfu"):
            kept = self.options.evict == "lfu-history"
            uses = self._history.uses(demand.layer) if kept else self._since[demand.layer]
            return candidates[int(np.argmin(uses[experts]))]
        if not self._nets:
            return oldest(candidates)
        return candidates[int(np.argmax(self._expected[experts]))]
