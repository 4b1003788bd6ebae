"""Fiddler: popular experts on the GPU; a missing one runs on the CPU if it has few tokens, else it is fetched.

Source: Kamahori et al., "Fiddler" (arXiv 2402.07033) and its code: the CPU computes when
tokens x cpu_latency < gpu_latency + transfer, with constants 7 and 70 in the code, so below 10 tokens.
"""

from __future__ import annotations

from moe_cosim.options import option
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.resident_experts import ResidentExpertsPolicy, ResidentOptions


class FiddlerOptions(ResidentOptions):
    """The crossover follows from two constants of Fiddler's code (the module says which)."""

    crossover_tokens: int = option(
        10, "a missing expert with so many tokens or more is fetched", unit="tokens", ge=0, le=1_000_000
    )


@policies.register("fiddler")
class Fiddler(ResidentExpertsPolicy):
    """The same rule in prefill and decode."""

    summary = "popular experts on the GPU, few-token misses on the CPU, others fetched (arXiv 2402.07033)"
    homes = ("host", "cxl", "near-data", "mixed")
    options_class = FiddlerOptions
    options: FiddlerOptions

    def prepare(self) -> None:
        weight_format = self.context.quantization.expert_format
        cpu = self.plan.unit_index(self.context.require_cpu("fiddler").name)
        self.take_ring(weight_format)
        self.take_resident(self.options, weight_format, cpu)

    def plan_decode(self, rows: DemandRows) -> None:
        self.run(rows, passing=~self.is_held(rows) & (rows.tokens >= self.options.crossover_tokens))
