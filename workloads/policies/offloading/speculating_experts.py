"""Speculating Experts: the next layer's experts are guessed, fetched ahead, and computed even where guessed wrong.

Source: Madan et al., "Speculating Experts Accelerates Inference for Mixture-of-Experts" (arXiv 2603.19289) and its
code (axonn-ai/yalis, branch offload_prefetch, commit b1970f7, yalis/offloading/manager.py): nothing is cached; two
sets of buffers alternate between layers; once a layer's gate is known, the next layer's router is asked with a state
that stands for what the layer will give, and what it names is fetched while the layer computes. A token's first layer
fetches on demand, and so does the prompt, which asks for all experts.

Inferred: an expert that was guessed wrong is computed under the name of the one it stands for. Their bytes and times
are the same; what that costs in accuracy is not modelled (the paper reports it). With `execute: false` guesses only
fetch: the share that is right is the assumption below, and what is missing is fetched again.
"""

from __future__ import annotations

from moe_cosim.assumptions import Assumption
from moe_cosim.options import Options, option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.expert_slots import ExpertSlots, Key, oldest
from moe_cosim.workloads.policies.parts.gpu_cache import GpuCachePolicy
from moe_cosim.workloads.policies.parts.speculation import Speculation

HIT_RATE = Assumption(
    "speculating-hit-rate",
    0.9,
    (0.0, 1.0),
    "share of the next layer's experts that are guessed: about 90 % of Qwen3-30B-A3B's beyond the first two layers "
    "(arXiv 2603.19289, second-hand); taken for every layer",
)


class SpeculatingOptions(Options):
    execute: bool = option(True, "compute what was guessed; false: fetch and compute what the gate asks for")


@policies.register("speculating-experts")
class SpeculatingExperts(GpuCachePolicy):
    """Two pools, one of even and one of odd layers; each holds its layer's experts of one step."""

    summary = "the next layer's experts guessed, fetched ahead and computed (Speculating Experts, arXiv 2603.19289)"
    homes = ("host", "cxl", "near-data", "mixed")
    options_class = SpeculatingOptions
    assumptions = (HIT_RATE,)
    options: SpeculatingOptions

    def prepare(self) -> None:
        context = self.context
        weight_format = context.quantization.expert_format
        context.keep_all(weight_format)
        hit_rate = 1.0 if self.options.execute else context.number(HIT_RATE)
        self._guesses = Speculation(context.demand, hit_rate, context.seed, ahead=1)
        each = min(context.demand.num_experts, context.gpu_slots_that_fit(weight_format) // 2)
        context.require_slots(each, 1, "buffers of one layer")
        slots = context.gpu_slots("buffers of two layers", weight_format, 2 * each)
        self.pools = [ExpertSlots(slots[:each]), ExpertSlots(slots[each:])]

    def plan_layer(self, demand: LayerDemand) -> None:
        if demand.layer == 0:
            self.pool(0).clear()
        super().plan_layer(demand)
        after, weight_format = demand.layer + 1, self.context.quantization.expert_format
        buffers = self.pool(after)
        buffers.clear()
        if demand.step == 0:
            return
        for expert in self._guesses.experts(demand.step, after)[: buffers.capacity]:
            # one stream copies: behind what this layer still fetches
            self.fetch(buffers, demand, after, expert, weight_format, (), prefetch=False)

    def victim(self, candidates: list[Key], demand: LayerDemand) -> Key:
        return oldest(candidates)
