"""KTransformers: routed experts on the CPU, the most used ones on the GPU, the least ones merged late.

Source: Chen et al., "KTransformers" (SOSP 2025) and kvcache-ai/ktransformers: attention and shared
experts on the GPU, routed experts on the CPU with AMX and AVX-512 kernels, optionally the top experts
by frequency on the GPU; *expert deferral* merges the results of the lowest-scored experts one layer
later, so that the CPU computes them while the GPU attends.
"""

from __future__ import annotations

from moe_cosim.options import TOP_K, option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import policies
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
        self._cpu = context.require_cpu("ktransformers").name
        context.keep_striped(context.quantization.expert_format)
        self.take_gpu(context.quantization.expert_format, self.options.gpu_experts)
        self._deferred_share = self.options.deferred_experts / context.demand.top_k

    def plan_decode(self, demand: LayerDemand) -> None:
        hot, gpu = self.hot[demand.layer], self.context.gpu.name
        late = self._deferred(demand)
        for expert, tokens in zip(demand.experts, demand.tokens, strict=True):
            if expert in hot:
                self.plan.run(expert, tokens, gpu, hot[expert])
            else:
                self.plan.run(expert, tokens, self._cpu, self.home(demand.layer, expert), deferred=expert in late)

    def _deferred(self, demand: LayerDemand) -> set[int]:
        if not self._deferred_share or demand.layer == self.context.demand.layers - 1:
            return set()
        hot = self.hot[demand.layer]
        rows = zip(demand.gate_weights, demand.experts, demand.tokens, strict=True)
        ranked = sorted(row for row in rows if row[1] not in hot)
        left = self._deferred_share * sum(demand.tokens)
        late = set()
        for _, expert, tokens in ranked:
            if tokens > left:
                break
            left -= tokens
            late.add(expert)
        return late
