"""MoNDE's rule on a machine with many near-data modules, the prefill on the GPU.

The rule is that of `moe_cosim.workloads.policies.near_data.monde`: the H experts with the most tokens move to the GPU,
the others run beside their copy, decided afresh every layer and step. Here the device's bandwidth is
that of all modules together, and the prefill runs on the GPU, as TriMoE's comparison has it
(arXiv 2603.01058).
"""

from __future__ import annotations

import math

from moe_cosim.hw_models.link_share import link_share
from moe_cosim.options import EXPERTS, option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.near_data.monde import ALPHA
from moe_cosim.workloads.policies.parts.gpu_prefill import GpuExpertsOptions, GpuPrefillPolicy


class MondeDimmOptions(GpuExpertsOptions):
    gpu_experts: int | None = option(
        0,
        "experts of each layer that the GPU keeps from the prefill on (MoNDE itself: none); null: as many as fit",
        unit="experts per layer",
        ge=0,
        at_most=EXPERTS,
    )


@policies.register("monde-dimm")
class MondeDimm(GpuPrefillPolicy):
    """H = ceil(alpha * BW_link / (BW_modules + BW_link) * activated experts)."""

    summary = "MoNDE's rule over all near-data modules, prefill on the GPU (DAC 2024, as TriMoE compares it)"
    homes = ("near-data",)
    options_class = MondeDimmOptions
    assumptions = (ALPHA,)
    options: MondeDimmOptions

    def prepare(self) -> None:
        context = self.context
        context.keep_all(context.quantization.expert_format)
        self.take_gpu(context.quantization.expert_format, self.options.gpu_experts)
        self._share = context.number(ALPHA) * link_share(context.machine, context.home_memories, context.gpu_memory)

    def plan_decode(self, demand: LayerDemand) -> None:
        context, layer = self.context, demand.layer
        hot = self.hot[layer]
        ranked = demand.busiest_first()
        moves = math.ceil(self._share * len(ranked) - 1e-9)
        for expert, tokens in ranked:
            if expert in hot:
                self.plan.run(expert, tokens, context.gpu.name, hot[expert])
            elif moves > 0:
                moves -= 1
                self.run_staged(layer, expert, tokens)
            else:
                self.plan.run(expert, tokens, context.ndp_of(expert).name, self.home(layer, expert))
