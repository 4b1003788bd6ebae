"""Klotski: GPU only; a group of batches shares each expert's way over the link, hot experts first.

Source: Fang et al., "Klotski" (ASPLOS 2025): batches are grouped until their computation hides the
loads (here the experiment's whole batch is the group); experts in the GPU's memory run first, hot
ones are prefetched while the layer before runs, the others run in the order in which they arrive.
"""

from __future__ import annotations

from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import policies
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
        context.keep_striped(context.quantization.expert_format)
        self.take_gpu(context.quantization.expert_format, self.options.gpu_experts)

    def plan_decode(self, demand: LayerDemand) -> None:
        hot, layer = self.hot[demand.layer], demand.layer
        ranked = demand.busiest_first()
        for expert, tokens in ranked:
            if expert in hot:
                self.plan.run(expert, tokens, self.context.gpu.name, hot[expert])
        for expert, tokens in ranked:
            if expert not in hot:
                self.run_staged(layer, expert, tokens)
