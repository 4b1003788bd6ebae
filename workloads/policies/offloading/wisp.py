"""WiSP: each layer's experts are paged into slots of its own, the least recently used one leaves.

Source: Zhang et al., "WiSP: A Working-Set View of Mixture-of-Experts Serving on Extremely Low-Resource Hardware" (arXiv
2606.21868) and its code (nokia-applied-research/WiSP, commit b60d23c, src/wisp/integrations/vllm/fused_moe.py): a layer
has `cap_experts` slots; what its router asks for and is not there is copied in before its kernel runs. On request the
experts that the present layer's go together with are loaded into the next layer's slots meanwhile, over any but the
last token's (`prefetch_async`). The paper finds that not to help: the link is what limits, not the prediction.

Inferred: how often the prediction is right, below; as many experts are predicted as a token has (the code: 8, or half
the slots); that predicting takes no time. The split of the GPU's memory between experts and keys and values (MV-WSA) is
not modelled: a run's keys and values are given, and what they leave is the experts', which is where its rule ends once
all requests are admitted.
"""

from __future__ import annotations

from moe_cosim.assumptions import Assumption
from moe_cosim.options import option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.expert_slots import Key, oldest
from moe_cosim.workloads.policies.parts.gpu_cache import CacheOptions, GpuCachePolicy
from moe_cosim.workloads.policies.parts.speculation import Speculation

ACCURACY = Assumption(
    "wisp-prediction-accuracy",
    0.5,
    (0.0, 1.0),
    "share of the next layer's experts that go together with the present layer's in its counts; not published. The "
    "paper says that 44 to 48 % of a layer's experts are those of the token before, which is as easily predicted",
)


class WispOptions(CacheOptions):
    prefetch: bool = option(False, "load the next layer's likely experts into its slots while a layer computes")


@policies.register("wisp")
class Wisp(GpuCachePolicy):
    """A wrong guess costs its way over the link and what it replaced."""

    summary = "per-layer expert paging by recency, prefetch into the same slots on request (WiSP, arXiv 2606.21868)"
    homes = ("host", "cxl", "near-data", "mixed")
    options_class = WispOptions
    assumptions = (ACCURACY,)
    options: WispOptions

    def prepare(self) -> None:
        context = self.context
        weight_format = context.quantization.expert_format
        context.keep_all(weight_format)
        self.per_layer_pools(weight_format, self.options.cache_experts)
        self._last: dict[int, list[Key]] = {}
        self._guesses: Speculation | None = None
        if self.options.prefetch:
            self._guesses = Speculation(context.demand, context.number(ACCURACY), context.seed, ahead=1)

    def plan_layer(self, demand: LayerDemand) -> None:
        super().plan_layer(demand)
        self._last[demand.layer] = [self.key(demand.layer, expert) for expert in demand.experts]
        after, weight_format = demand.layer + 1, self.context.quantization.expert_format
        if self._guesses is None or demand.step == 0:
            return
        likely = self._guesses.experts(demand.step, after)
        kept = [*self._last.get(after, ()), *(self.key(after, expert) for expert in likely)]
        for expert in likely:
            if self.key(after, expert) not in self.pool(after):
                # the link is one: behind what this layer asked for
                self.fetch(self.pool(after), demand, after, expert, weight_format, kept, prefetch=False)

    def victim(self, candidates: list[Key], demand: LayerDemand) -> Key:
        return oldest(candidates)
