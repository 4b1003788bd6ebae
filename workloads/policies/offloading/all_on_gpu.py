"""All experts in the GPU's memory: the bound of every system that computes on the GPU alone.

A near-data system may beat it: it adds the bandwidth of another memory, and may use fewer bits.
"""

from __future__ import annotations

from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.block_policy import BlockPolicy
from moe_cosim.workloads.policies.parts.copies import Copies


@policies.register("all-on-gpu")
class AllOnGpu(BlockPolicy):
    """Refuses a model that does not fit; enlarge the memory in the experiment to see the bound."""

    summary = "every expert resident in GPU memory (upper bound of what a GPU alone can do)"
    homes = ("gpu",)
    needs_gpu = False

    def prepare(self) -> None:
        context = self.context
        weight_format = context.quantization.expert_format
        addresses = context.gpu_slots_by_layer(
            f"all experts ({weight_format.name})", weight_format, context.demand.num_experts
        )
        self.plan.reside(weight_format, addresses)
        self._copies = Copies(addresses, self.plan.format_index(weight_format), self.plan.unit_index(context.gpu.name))

    def plan_decode(self, rows: DemandRows) -> None:
        self._copies.run(self.plan, rows)
