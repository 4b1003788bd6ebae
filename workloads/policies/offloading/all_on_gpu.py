"""All experts in the GPU's memory: the bound of every system that computes on the GPU alone, at the same precision.

What it bounds hangs on the experiment's software: with ``ideal`` it is what the GPU itself could do, with another
stack what it does under that one. Systems that add the bandwidth of another memory (near-data, hybrid), use fewer bits
or skip experts (HOBBIT) may beat it, and it says nothing about them.
"""

from __future__ import annotations

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.quantity import format_quantity
from moe_cosim.workloads.address_map import aligned
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.block_policy import BlockPolicy
from moe_cosim.workloads.policies.parts.copies import Copies


@policies.register("all-on-gpu")
class AllOnGpu(BlockPolicy):
    """Refuses a model that does not fit, and says what is missing: a GPU that had it is a `machine.set` of its
    capacity, which the result's memories then show. On a machine without a GPU all is on the CPU."""

    summary = "every expert resident in GPU memory (upper bound of what a GPU alone can do)"
    homes = ("gpu",)
    needs_gpu = False

    def prepare(self) -> None:
        context = self.context
        weight_format = context.quantization.expert_format
        self._require_room(weight_format)
        addresses = context.gpu_slots_by_layer(
            f"all experts ({weight_format.name})", weight_format, context.demand.num_experts
        )
        self.plan.reside(weight_format, addresses)
        self._copies = Copies(addresses, self.plan.format_index(weight_format), self.plan.unit_index(context.gpu.name))

    def _require_room(self, weight_format: WeightFormat) -> None:
        context, memory = self.context, self.context.gpu_memory
        count = context.demand.layers * context.demand.num_experts
        needed = count * aligned(context.expert_bytes(weight_format))
        left, capacity = max(context.addresses.free_bytes(memory), 0), context.capacity_bytes(memory)
        if needed <= left:
            return
        sizes = needed, left, capacity, needed - left
        wanted, free, whole, missing = (format_quantity(size, "bytes") for size in sizes)
        raise InputError(
            context.where,
            f"all experts ({weight_format.name}) in {memory}",
            Plain(f"{wanted} needed"),
            f"at most the {free} left of {whole}: {missing} are missing (machine.set may give the memory a capacity of "
            "more, for the bound of a GPU that had it)",
        )

    def plan_decode(self, rows: DemandRows) -> None:
        self._copies.run(self.plan, rows)
