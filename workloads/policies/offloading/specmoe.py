"""SpecMoE: the model drafts with a few of its own experts, and loads the others once for all tokens that it verifies.

Source: Bang et al., "SpecMoE: A Fast and Efficient Mixture-of-Experts Inference via Self-Assisted Speculative Decoding"
(arXiv 2604.10152). The paper's text was not at hand; what is here follows a summary of it (stored in
maydomine/arxiv_rss_bot, 14 April 2026) and the notes of a rebuild (aug_spec, PROGRESS.md): each layer pins a few
draft experts on the GPU; drafting runs the model's own other parts and these alone, an expert that the gate asks for
being replaced by the nearest of them; requests for experts wait for the verification, which loads each once
(coalescing) and runs what is pinned as it is; the pinned experts follow what was hot lately (HotTemporal), are those of
the prompt (HotGlobal), or drawn (random).

The steps that verify are the workload's (`workload.verify`: how many tokens, which chance they have, and a draft model
of the size of what drafts). Inferred: hot are the experts with the most tokens of the present verification, which has
just loaded them, so that exchanging them moves nothing more.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from moe_cosim.options import EXPERTS, Options, option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.expert_cache import ExpertCachePolicy
from moe_cosim.workloads.policies.parts.expert_slots import ExpertSlots, Key, oldest
from moe_cosim.workloads.policies.parts.staging import RING_EXPERTS, StagingRing


class SpecMoeOptions(Options):
    draft_experts: int = option(
        4, "experts of each layer pinned to draft with (the paper: 4 of 128)", unit="experts", ge=1, at_most=EXPERTS
    )
    follow: Literal["temporal", "global", "random"] = option(
        "temporal", "which ones: the hot of each verification, the prompt's, or drawn from the seed"
    )


@policies.register("specmoe")
class SpecMoe(ExpertCachePolicy):
    """Everything runs on the GPU; what is not pinned passes through a staging ring."""

    summary = "pinned draft experts, the others loaded once for all verified tokens (SpecMoE, arXiv 2604.10152)"
    homes = ("host", "cxl", "near-data", "mixed")
    options_class = SpecMoeOptions
    options: SpecMoeOptions

    def prepare(self) -> None:
        context = self.context
        self._format = context.quantization.expert_format
        context.keep_all(self._format)
        layers, experts, count = context.demand.layers, context.demand.num_experts, self.options.draft_experts
        context.require_slots(context.gpu_slots_that_fit(self._format), layers * count + 1, "draft experts")
        slots = context.gpu_slots_by_layer("draft experts", self._format, count)
        self._pools = [ExpertSlots(own) for own in slots.tolist()]
        ring = min(RING_EXPERTS, context.gpu_slots_that_fit(self._format))
        context.require_slots(ring, 1, "staging area")
        self._ring = StagingRing(self.plan, context.gpu_slots("staging area", self._format, ring))
        draw = np.random.Generator(np.random.PCG64(np.random.SeedSequence([context.seed, 0x5BEC40E])))
        self._drawn = [set(draw.permutation(experts)[:count].tolist()) for _ in range(layers)]

    def plan_layer(self, demand: LayerDemand) -> None:
        pool, gpu, layer = self._pools[demand.layer], self.context.gpu.name, demand.layer
        kept = self.kept(demand)
        pinned = {self.key(layer, expert) for expert in kept}
        ranked = demand.busiest_first()
        for expert, tokens in sorted(ranked, key=lambda row: self.key(layer, row[0]) not in pool):
            key = self.key(layer, expert)
            if key in pool:
                pool.ran(key, self.plan.run(expert, tokens, gpu, pool.used(key)))
                continue
            copy = self.fetch(pool, demand, layer, expert, self._format, pinned, False) if expert in kept else None
            if copy is not None:
                pool.ran(key, self.plan.run(expert, tokens, gpu, copy))
                continue
            passing = self._ring.fetch(layer, expert, self.context.home(layer, expert, self._format))
            self._ring.ran(passing, self.plan.run(expert, tokens, gpu, passing))

    def kept(self, demand: LayerDemand) -> set[int]:
        """Experts of the layer that are pinned when it has run, where it asks for them."""
        if self.options.follow == "random":
            return self._drawn[demand.layer]
        if self.options.follow == "global" and demand.step:
            return set()  # the prompt's are there
        return {expert for expert, _ in demand.busiest_first()[: self.options.draft_experts]}

    def victim(self, candidates: list[Key], demand: LayerDemand) -> Key:
        return oldest(candidates)
