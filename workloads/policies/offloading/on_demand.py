"""On-demand offloading: every expert is fetched over the link when the gate asks for it."""

from __future__ import annotations

from moe_cosim.options import EXPERTS, Options, option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.expert_slots import ExpertSlots, Key, oldest
from moe_cosim.workloads.policies.parts.gpu_cache import GpuCachePolicy


class OnDemandOptions(Options):
    staging_experts: int | None = option(
        None, "slots of the staging area; null: as many as fit", unit="experts", ge=1, at_most=EXPERTS
    )


@policies.register("on-demand")
class OnDemand(GpuCachePolicy):
    """No cache: a staging area, empty again at the next layer."""

    summary = "every expert fetched over the link when the gate asks for it"
    homes = ("host", "cxl", "near-data", "mixed")
    options_class = OnDemandOptions
    options: OnDemandOptions

    def prepare(self) -> None:
        context = self.context
        weight_format = context.quantization.expert_format
        context.keep_all(weight_format)
        experts = context.demand.num_experts
        count = self.options.staging_experts or min(experts, context.gpu_slots_that_fit(weight_format))
        context.require_slots(count, 1, "staging area")
        self._staging = context.gpu_slots("staging area", weight_format, count)
        self.pools = []

    def plan_layer(self, demand: LayerDemand) -> None:
        self.pools = [ExpertSlots(self._staging)]
        super().plan_layer(demand)

    def victim(self, candidates: list[Key], demand: LayerDemand) -> Key:
        return oldest(candidates)
