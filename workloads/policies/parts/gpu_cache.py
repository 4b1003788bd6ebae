"""Shared by the systems that run every expert on the GPU and fetch the missing ones."""

from __future__ import annotations

from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.options import EXPERTS, Options, option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.parts.expert_cache import ExpertCachePolicy
from moe_cosim.workloads.policies.parts.expert_slots import ExpertSlots


class CacheOptions(Options):
    """How large the cache is."""

    cache_experts: int | None = option(
        None, "slots per layer in the GPU's memory; null: as many as fit", unit="experts", ge=1, at_most=EXPERTS
    )


class GpuCachePolicy(ExpertCachePolicy):
    """Hits run first, then each miss is fetched into a slot and run.

    Subclasses choose the pools (`prepare` fills `self.pools`, one per layer or one for all) and the victims.
    """

    pools: list[ExpertSlots]

    def fetch_order(self, demand: LayerDemand) -> list[int]:
        """The experts of `demand` in the order in which missing ones are fetched and run."""
        return demand.experts

    def pool(self, layer: int) -> ExpertSlots:
        """The slots that the experts of a MoE layer share."""
        return self.pools[layer % len(self.pools)]

    def per_layer_pools(self, weight_format: WeightFormat, per_layer: int | None) -> None:
        """One pool per layer, of `per_layer` slots or of as many as fit; at least one."""
        context = self.context
        layers = context.demand.layers
        count = per_layer if per_layer is not None else context.gpu_slots_that_fit(weight_format) // layers
        count = min(count, context.demand.num_experts)
        context.require_slots(count, 1, "expert cache per layer")
        slots = context.gpu_slots("expert cache", weight_format, count * layers)
        self.pools = [ExpertSlots(slots[layer * count : (layer + 1) * count]) for layer in range(layers)]

    def plan_layer(self, demand: LayerDemand) -> None:
        self.run_or_fetch(demand, self.context.quantization.expert_format)

    def run_or_fetch(self, demand: LayerDemand, weight_format: WeightFormat) -> None:
        """Plan one layer: hits first, then misses in `fetch_order`, each fetched into a slot that nobody of this layer
        waits for.
        """
        pool = self.pool(demand.layer)
        gpu = self.context.gpu.name
        tokens = dict(zip(demand.experts, demand.tokens, strict=True))
        wanted = [(self.key(demand.layer, expert), expert) for expert in self.fetch_order(demand)]
        waiting = {key for key, _ in wanted}
        for key, expert in sorted(wanted, key=lambda row: row[0] not in pool):
            if key in pool:
                copy = pool.used(key)
            else:
                fetched = self.fetch(pool, demand, demand.layer, expert, weight_format, waiting, prefetch=False)
                assert fetched is not None  # the expert itself is the only one pinned in a pool of one
                copy = fetched
            pool.ran(key, self.plan.run(expert, tokens[expert], gpu, copy))
            waiting.discard(key)
