"""Belady's oracle: the cache that evicts whoever is used again last; no cache can hit more often.

A cache, that is, which fetches on demand into its own slots; one that prefetches may.

Source: Belady, "A study of replacement algorithms for a virtual-storage computer" (1966). There
requests come one by one; here a layer asks for several experts at once, and the order in which it
runs them is chosen so that the rule stays the best one: those used again last go first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.expert_slots import Key
from moe_cosim.workloads.policies.parts.gpu_cache import CacheOptions, GpuCachePolicy


@policies.register("belady")
class Belady(GpuCachePolicy):
    """Per-layer slots as `lru`, evicting by the true future. Fetches on demand only."""

    summary = "per-layer cache that knows the future (upper bound of any replacement rule)"
    homes = ("host", "cxl", "near-data", "mixed", "flash")
    options_class = CacheOptions
    options: CacheOptions

    def prepare(self) -> None:
        context = self.context
        weight_format = context.quantization.expert_format
        context.keep_all(weight_format)
        self.per_layer_pools(weight_format, self.options.cache_experts)
        self._next_use = _next_use(context.demand.active())

    def fetch_order(self, demand: LayerDemand) -> list[int]:
        """Of a step's misses the last is sure to stay in the cache: the one used again first."""
        upcoming = self._next_use[demand.step, demand.layer]
        return sorted(demand.experts, key=lambda expert: -int(upcoming[expert]))

    def victim(self, candidates: list[Key], demand: LayerDemand) -> Key:
        experts = self.context.demand.num_experts
        upcoming = self._next_use[demand.step, demand.layer]
        return max(candidates, key=lambda key: (upcoming[key % experts], key))


def _next_use(active: NDArray[np.bool_]) -> NDArray[np.int32]:
    """[steps, layers, experts]: when the expert is asked for again, later is larger.

    Times are step * experts + the expert's turn in `fetch_order` of that step, which hangs on the
    uses after it; so from the last step back.
    """
    steps, _, experts = active.shape
    following = np.full(active.shape, steps * experts, dtype=np.int32)
    turn = np.empty(active.shape[1:], dtype=np.int32)
    for step in range(steps - 2, -1, -1):
        order = np.argsort(-following[step + 1], axis=1, kind="stable")
        np.put_along_axis(turn, order, np.arange(experts, dtype=np.int32)[None, :], axis=1)
        following[step] = np.where(active[step + 1], (step + 1) * experts + turn, following[step + 1])
    return following
