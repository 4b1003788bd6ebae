"""Belady's oracle: the cache that evicts whoever is used again last; no cache can hit more often.

Source: Belady, "A study of replacement algorithms for a virtual-storage computer" (1966).
"""

from __future__ import annotations

import numpy as np

from workloads.demand import LayerDemand
from workloads.policies.base import policies
from workloads.policies.expert_slots import Key
from workloads.policies.gpu_cache import GpuCachePolicy


@policies.register("belady")
class Belady(GpuCachePolicy):
    """Per-layer slots as `lru`, evicting by the true future. Fetches on demand only."""

    summary = "per-layer cache that knows the future (upper bound of any replacement rule)"
    defaults = {"cache_experts": None}  # noqa: RUF012

    def prepare(self) -> None:
        context = self.context
        weight_format = context.quantization.expert_format
        context.keep_all(weight_format)
        experts = context.demand.num_experts
        self.per_layer_pools(weight_format, self.whole_option("cache_experts", 1, experts))
        self._next_use = _next_use(context.demand.active())

    def victim(self, candidates: list[Key], demand: LayerDemand) -> Key:
        experts = self.context.demand.num_experts
        upcoming = self._next_use[demand.step, demand.layer]
        return max(candidates, key=lambda key: (upcoming[key % experts], key))


def _next_use(active: np.ndarray) -> np.ndarray:
    """[steps, layers, experts]: the first later step that asks for the expert again."""
    steps = active.shape[0]
    following = np.full(active.shape, steps, dtype=np.int32)
    for step in range(steps - 2, -1, -1):
        following[step] = np.where(active[step + 1], step + 1, following[step + 1])
    return following
