"""All experts in the GPU's memory: the bound of every system that computes on the GPU alone.

A near-data system may beat it: it adds the bandwidth of another memory, and may use fewer bits.
"""

from __future__ import annotations

from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.plan import Copy
from moe_cosim.workloads.policies.base import Policy, policies


@policies.register("all-on-gpu")
class AllOnGpu(Policy):
    """Refuses a model that does not fit; enlarge the memory in the experiment to see the bound."""

    summary = "every expert resident in GPU memory (upper bound of what a GPU alone can do)"
    homes = ("gpu",)

    def prepare(self) -> None:
        context = self.context
        self._format = context.quantization.expert_format
        self._addresses = context.addresses.take_grid(
            f"all experts ({self._format.name})",
            [context.gpu_memory],
            context.demand.layers,
            context.demand.num_experts,
            context.expert_bytes(self._format),
        )
        context.plan.reside(self._format, self._addresses)

    def plan_layer(self, demand: LayerDemand) -> None:
        index = self.plan.format_index(self._format)
        for expert, tokens in zip(demand.experts, demand.tokens, strict=True):
            copy = Copy(index, int(self._addresses[demand.layer, expert]))
            self.plan.run(expert, tokens, self.context.gpu.name, copy)
