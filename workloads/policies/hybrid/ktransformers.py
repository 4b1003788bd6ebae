"""KTransformers: routed experts on the CPU, the most used ones on the GPU, the least ones merged late.

Source: Chen et al., "KTransformers" (SOSP 2025) and kvcache-ai/ktransformers: attention and shared
experts on the GPU, routed experts on the CPU with AMX and AVX-512 kernels, optionally the top experts
by frequency on the GPU; *expert deferral* merges the results of the lowest-scored experts one layer
later, so that the CPU computes them while the GPU attends.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.options import TOP_K, option
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.cells import cell_of, order_in_cells, sum_before, sum_in_cell
from moe_cosim.workloads.policies.parts.gpu_prefill import GpuExpertsOptions, GpuPrefillPolicy


class KTransformersOptions(GpuExpertsOptions):
    deferred_experts: int = option(
        0,
        "of a token's experts, those merged one MoE layer later; in a batch whole experts, those with the least gate "
        "weight, up to that share of the tokens",
        unit="experts",
        ge=0,
        at_most=TOP_K,
    )


@policies.register("ktransformers")
class KTransformers(GpuPrefillPolicy):
    """Frequency is that of the prefill."""

    summary = "experts on the CPU (AMX), frequent ones on the GPU, low-scored ones merged late (SOSP 2025)"
    homes = ("host", "cxl", "near-data", "mixed")
    options_class = KTransformersOptions
    options: KTransformersOptions

    def prepare(self) -> None:
        context = self.context
        cpu = self.plan.unit_index(context.require_cpu("ktransformers").name)
        weight_format = context.quantization.expert_format
        context.keep_striped(weight_format)
        self.take_gpu(context.homes(weight_format), weight_format, cpu, self.options.gpu_experts)
        self._deferred_share = self.options.deferred_experts / context.demand.top_k

    def plan_decode(self, rows: DemandRows) -> None:
        none = np.zeros(len(rows.expert), dtype=np.bool_)
        self.run(rows, passing=none, deferred=self._deferred(rows) if self._deferred_share else none)

    def _deferred(self, rows: DemandRows) -> NDArray[np.bool_]:
        """[rows] Whole experts of the least gate weight, while they fit into the share of the tokens."""
        late = np.zeros(len(rows.expert), dtype=np.bool_)
        candidates = ~self.is_hot(rows) & (rows.layer < self.context.demand.layers - 1)
        order = order_in_cells(rows, np.where(candidates, rows.gate_weight, np.inf))
        tokens, most = rows.tokens[order], self._deferred_share * sum_in_cell(rows.tokens, rows)
        late[order] = candidates[order] & (sum_before(tokens, rows) + tokens <= most[cell_of(rows)])
        return late
