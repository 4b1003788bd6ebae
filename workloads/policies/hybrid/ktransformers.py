"""KTransformers: routed experts on the CPU, the most used ones on the GPU, the least ones merged late.

Source: Chen et al., "KTransformers" (SOSP 2025) and kvcache-ai/ktransformers: attention and shared
experts on the GPU, routed experts on the CPU with AMX and AVX-512 kernels, optionally the top experts
by frequency on the GPU; *expert deferral* merges the results of the lowest-scored experts one layer
later, so that the CPU computes them while the GPU attends.
"""

from __future__ import annotations

from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.gpu_prefill import GpuPrefillPolicy


@policies.register("ktransformers")
class KTransformers(GpuPrefillPolicy):
    """`gpu_experts` per layer stay on the GPU (None: as many as fit), chosen by their use in the prefill.

    `deferred_experts` of a token's k are deferred: in a batch whole experts, those with the least
    gate weight, up to that share of the tokens.
    """

    summary = "experts on the CPU (AMX), frequent ones on the GPU, low-scored ones merged late (SOSP 2025)"
    defaults = {"gpu_experts": None, "deferred_experts": 0}  # noqa: RUF012

    def prepare(self) -> None:
        context = self.context
        self._cpu = context.require_cpu("ktransformers").name
        context.keep_striped(context.quantization.expert_format)
        experts = context.demand.num_experts
        self.take_gpu(context.quantization.expert_format, self.whole_option("gpu_experts", 0, experts))
        deferred = self.whole_option("deferred_experts", 0, context.demand.top_k) or 0
        self._deferred_share = deferred / context.demand.top_k

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
