"""MoNDE's rule on a machine with many near-data modules, the prefill on the GPU.

The rule is that of `moe_cosim.workloads.policies.near_data.monde`: the H experts with the most tokens move to the GPU,
the others run beside their copy, decided afresh every layer and step. Here the device's bandwidth is
that of all modules together, and the prefill runs on the GPU, as TriMoE's comparison has it
(arXiv 2603.01058).
"""

from __future__ import annotations

import numpy as np

from moe_cosim.hw_models.link_share import link_share
from moe_cosim.options import EXPERTS, option
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.near_data.monde import ALPHA
from moe_cosim.workloads.policies.parts.cells import busiest_first, cell_of, sum_before
from moe_cosim.workloads.policies.parts.gpu_prefill import GpuExpertsOptions, GpuPrefillPolicy


class MondeDimmOptions(GpuExpertsOptions):
    """As MoNDE's, for a machine that keeps experts of the prefill."""

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
    cost_model = "monde"
    options_class = MondeDimmOptions
    assumptions = (ALPHA,)
    options: MondeDimmOptions

    def prepare(self) -> None:
        context, weight_format = self.context, self.context.quantization.expert_format
        context.keep_all(weight_format)
        self.take_gpu(context.homes(weight_format), weight_format, context.ndp_units, self.options.gpu_experts)
        self._share = context.number(ALPHA) * link_share(context.machine, context.home_memories, context.gpu_memory)

    def plan_decode(self, rows: DemandRows) -> None:
        ranked = busiest_first(rows)
        moves = np.ceil(self._share * np.diff(ranked.starts) - 1e-9)
        elsewhere = ~self.is_hot(ranked)
        self.run(ranked, passing=elsewhere & (sum_before(elsewhere, ranked) < moves[cell_of(ranked)]))
