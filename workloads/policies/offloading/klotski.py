"""Klotski: GPU only; a group of batches shares each expert's way over the link, hot experts first.

Source: Fang et al., "Klotski" (ASPLOS 2025): batches are grouped until their computation hides the
loads (here the experiment's whole batch is the group); experts in the GPU's memory run first, hot
ones are prefetched while the layer before runs, the others run in the order in which they arrive.
"""

from __future__ import annotations

from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.cells import order_in_cells, reordered
from moe_cosim.workloads.policies.parts.gpu_prefill import GpuExpertsOptions, GpuPrefillPolicy


@policies.register("klotski")
class Klotski(GpuPrefillPolicy):
    """The experts that stay are what its prefetcher would fetch every step, so they need no traffic;
    all others stream."""

    summary = "GPU only: resident experts first, the others stream over the link for the whole batch (ASPLOS 2025)"
    homes = ("host", "cxl", "near-data", "mixed")
    options_class = GpuExpertsOptions
    options: GpuExpertsOptions

    def prepare(self) -> None:
        context = self.context
        weight_format, gpu = context.quantization.expert_format, self.plan.unit_index(context.gpu.name)
        context.keep_striped(weight_format)
        self.take_gpu(context.homes(weight_format), weight_format, gpu, self.options.gpu_experts)

    def plan_decode(self, rows: DemandRows) -> None:
        resident_first = reordered(rows, order_in_cells(rows, ~self.is_hot(rows), -rows.tokens))
        self.run(resident_first, passing=~self.is_hot(resident_first))
