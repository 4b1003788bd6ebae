"""Shared by systems that compute the whole prefill on the GPU and keep its hottest experts there."""

from __future__ import annotations

from abc import abstractmethod

from moe_cosim.options import EXPERTS, Options, option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.plan import Copy
from moe_cosim.workloads.policies.base import Policy
from moe_cosim.workloads.policies.parts.staging import StagingRing
from moe_cosim.workloads.quantization.formats import WeightFormat

RING_EXPERTS = 8
"""Staging slots: enough to fetch on two lanes while earlier ones are computed."""


class GpuExpertsOptions(Options):
    gpu_experts: int | None = option(
        None,
        "experts of each layer that stay in the GPU's memory, those the prefill used most; null: as many as fit",
        unit="experts per layer",
        ge=0,
        at_most=EXPERTS,
    )


class GpuPrefillPolicy(Policy):
    """In the prefill every expert passes through the GPU; each layer's most used ones stay.

    Subclasses call `take_gpu` in `prepare` and decide the decode steps in `plan_decode`.
    """

    hot: list[dict[int, Copy]]
    """Per layer: experts kept in the GPU's memory."""

    def take_gpu(self, weight_format: WeightFormat, per_layer: int | None) -> None:
        """A staging ring, and `per_layer` slots for experts that stay (None: as many as fit)."""
        context = self.context
        self.weight_format = weight_format
        layers, experts = context.demand.layers, context.demand.num_experts
        fit = context.gpu_slots_that_fit(weight_format)
        ring = min(RING_EXPERTS, fit)
        context.require_slots(ring, 1, "staging area")
        self.ring = StagingRing(self.plan, context.gpu_slots("staging area", weight_format, ring))
        most = min((fit - ring) // layers, experts)
        count = most if per_layer is None else min(per_layer, most)
        slots = context.gpu_slots("hot experts", weight_format, count * layers)
        self.hot_slots = [slots[layer * count : (layer + 1) * count] for layer in range(layers)]
        self.hot = [{} for _ in range(layers)]

    def home(self, layer: int, expert: int) -> Copy:
        """The copy outside the GPU."""
        return self.context.home(layer, expert, self.weight_format)

    def plan_layer(self, demand: LayerDemand) -> None:
        if demand.step == 0:
            self.plan_prefill(demand)
        else:
            self.plan_decode(demand)

    def plan_prefill(self, demand: LayerDemand) -> None:
        layer = demand.layer
        ranked = demand.busiest_first()
        slots = self.hot_slots[layer]
        for rank, (expert, tokens) in enumerate(ranked):
            if rank < len(slots):
                copy = self.plan.move(layer, expert, self.home(layer, expert), slots[rank], prefetch=bool(rank & 1))
                self.hot[layer][expert] = copy
                self.plan.run(expert, tokens, self.context.gpu.name, copy)
            else:
                self.run_staged(layer, expert, tokens)

    def run_staged(self, layer: int, expert: int, tokens: int) -> None:
        """Fetch an expert into the ring and compute it on the GPU."""
        copy = self.ring.fetch(layer, expert, self.home(layer, expert))
        self.ring.ran(copy, self.plan.run(expert, tokens, self.context.gpu.name, copy))

    @abstractmethod
    def plan_decode(self, demand: LayerDemand) -> None:
        """Decide one MoE layer of one decode step."""
