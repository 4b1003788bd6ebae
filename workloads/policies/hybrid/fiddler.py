"""Fiddler: popular experts on the GPU; a missing one runs on the CPU if it has few tokens, else it is fetched.

Source: Kamahori et al., "Fiddler" (arXiv 2402.07033) and its code: the CPU computes when
tokens x cpu_latency < gpu_latency + transfer, with constants 7 and 70 in the code, so below 10 tokens.
"""

from __future__ import annotations

from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.gpu_prefill import GpuPrefillPolicy


@policies.register("fiddler")
class Fiddler(GpuPrefillPolicy):
    """`crossover_tokens`: from so many on an expert is fetched. `gpu_experts` as in `ktransformers`.

    The original ranks popularity offline; here the prefill does.
    """

    summary = "popular experts on the GPU, few-token misses on the CPU, others fetched (arXiv 2402.07033)"
    defaults = {"gpu_experts": None, "crossover_tokens": 10}  # noqa: RUF012

    def prepare(self) -> None:
        context = self.context
        self._cpu = context.require_cpu("fiddler").name
        context.keep_striped(context.quantization.expert_format)
        experts = context.demand.num_experts
        self.take_gpu(context.quantization.expert_format, self.whole_option("gpu_experts", 0, experts))
        self._crossover = self.whole_option("crossover_tokens", 0, 1_000_000) or 0

    def plan_decode(self, demand: LayerDemand) -> None:
        hot, gpu = self.hot[demand.layer], self.context.gpu.name
        for expert, tokens in zip(demand.experts, demand.tokens, strict=True):
            if expert in hot:
                self.plan.run(expert, tokens, gpu, hot[expert])
            elif tokens < self._crossover:
                self.plan.run(expert, tokens, self._cpu, self.home(demand.layer, expert))
            else:
                self.run_staged(demand.layer, expert, tokens)
