"""DyMoE: offloaded experts at two precisions, by importance and by depth, with a look ahead.

Source: Huang et al., "DyMoE: Dynamic Expert Orchestration with Mixed-Precision Quantization for Efficient MoE Inference
on Edge" (arXiv 2603.19172). The paper's text was not at hand; what is here follows a summary of it (stored in
maydomine/arxiv_rss_bot, 20 March 2026): in decode a token's experts are critical by their gate scores, in the prefill
by the heavy-hitter tokens they process; the share of critical experts falls with depth along a cosine; "4/2" runs the
others at 2 bits, "4/0" leaves them out; the next layer's critical experts are fetched ahead by its gate on the present
hidden state; an LRU cache holds versions of several precisions without keeping two of one expert and without lowering
what is there.

Inferred: the cosine r(l) falls from 1 to 2 r - 1, so that its mean is the retention r; counts are rounded to the
nearest, one at least; all tokens of the prompt count as heavy hitters; each layer has slots of its own, each for one
copy of either precision; a copy at hand that is too low is replaced where it lies.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption
from moe_cosim.errors import InputError
from moe_cosim.hw_models.formats import WeightFormat, find_format
from moe_cosim.options import option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.plan import Copy
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.expert_slots import Key, oldest
from moe_cosim.workloads.policies.parts.gate_rank import best_ranks
from moe_cosim.workloads.policies.parts.gpu_cache import CacheOptions, GpuCachePolicy
from moe_cosim.workloads.policies.parts.speculation import Speculation

LOOK_AHEAD_ACCURACY = Assumption(
    "dymoe-look-ahead-accuracy",
    0.96,
    (0.0, 1.0),
    "share of the next layer's experts found by applying its gate to the present hidden state; not in what could be "
    "read of the paper; 0.96 is what HOBBIT (arXiv 2411.01433) measures so, of the first expert one layer ahead",
)


class DyMoeOptions(CacheOptions):
    low_format: str | None = option(
        "int2",
        "number format of experts that are not critical; null: they are left out (the paper's 4/0)",
        allowed="a number format of fewer bits than the experts', or null",
    )
    retention: float = option(
        0.75,
        "share of critical experts, on average over the layers (not published: fitted to the paper's times with 4/2 "
        "and 4/0; 1: all at the experts' own format)",
        ge=0.5,
        le=1,
    )
    prefetch: bool = option(True, "fetch the next layer's critical experts ahead")


@policies.register("dymoe")
class DyMoe(GpuCachePolicy):
    """Everything runs on the GPU."""

    summary = "expert cache of two precisions by gate score and depth, fetched ahead (DyMoE, arXiv 2603.19172)"
    homes = ("host", "cxl", "near-data", "mixed")
    may_skip = True
    options_class = DyMoeOptions
    assumptions = (LOOK_AHEAD_ACCURACY,)
    options: DyMoeOptions

    def prepare(self) -> None:
        context = self.context
        self._high = context.quantization.expert_format
        self._low = self._low_format()
        for weight_format in (self._high, *([self._low] if self._low else [])):
            context.keep_all(weight_format)
        self._ranks = best_ranks(context.demand)
        self._kept = retained(context.demand.layers, self.options.retention)
        self._guesses: Speculation | None = None
        if self.options.prefetch:
            accuracy = context.number(LOOK_AHEAD_ACCURACY)
            self._guesses = Speculation(context.demand, accuracy, context.seed, ahead=1)
        self.per_layer_pools(self._high, self.options.cache_experts)

    def _low_format(self) -> WeightFormat | None:
        if self.options.low_format is None:
            return None
        context = self.context
        found = find_format(self.options.low_format, context.where, "policy.low_format")
        if found.bits >= self._high.bits:
            allowed = f"a format of fewer bits than {self._high.name}, or null"
            raise InputError(context.where, "policy.low_format", found.name, allowed)
        return found

    def formats(self) -> set[WeightFormat]:
        return {self._high, *([self._low] if self._low else [])}

    def plan_layer(self, demand: LayerDemand) -> None:
        critical, gpu = self.critical(demand), self.context.gpu.name
        wanted = {expert: self._high if expert in critical else self._low for expert in demand.experts}
        tokens = dict(zip(demand.experts, demand.tokens, strict=True))
        # what is at hand runs first, so that no slot that a later one needs is taken before
        for expert, weight_format in sorted(wanted.items(), key=lambda row: not self._at_hand(demand.layer, *row)):
            if weight_format is None:
                self.plan.skip(expert, tokens[expert])
                continue
            copy = self._copy(demand, demand.layer, expert, weight_format)
            assert copy is not None  # nothing is pinned
            row = self.plan.run(expert, tokens[expert], gpu, copy)
            self.pool(demand.layer).ran(self.key(demand.layer, expert), row)
        if self._guesses is not None and demand.step:
            self._look_ahead(demand, demand.layer + 1, self._guesses.experts(demand.step, demand.layer + 1))

    def critical(self, demand: LayerDemand) -> set[int]:
        """Experts that keep the high precision: in decode those that some token ranks among its first, in the prefill
        those with the most tokens."""
        if demand.step == 0:
            ranked = [expert for expert, _ in demand.busiest_first()]
            return set(ranked[: self._count(demand.layer, len(ranked))])
        first = self._count(demand.layer, self.context.demand.top_k)
        return {expert for expert in demand.experts if self._ranks[demand.step, demand.layer, expert] < first}

    def _count(self, layer: int, of: int) -> int:
        """r(l) of so many experts."""
        return max(int(self._kept[layer] * of + 0.5), 1)

    def _at_hand(self, layer: int, expert: int, weight_format: WeightFormat | None) -> bool:
        pool, key = self.pool(layer), self.key(layer, expert)
        if weight_format is None or key not in pool:
            return False
        return pool.copy(key).format in (self.plan.format_index(self._high), self.plan.format_index(weight_format))

    def _copy(
        self,
        demand: LayerDemand,
        layer: int,
        expert: int,
        weight_format: WeightFormat,
        pinned: Collection[Key] = (),
        prefetch: bool = False,
    ) -> Copy | None:
        """What is at hand, or what is fetched: in the place of a copy of the same expert that is too low, or of the
        one that was not used for the longest time. None where all slots are `pinned`."""
        pool, key = self.pool(layer), self.key(layer, expert)
        if self._at_hand(layer, expert, weight_format):
            return pool.used(key)
        if key not in pool:
            return self.fetch(pool, demand, layer, expert, weight_format, pinned, prefetch)
        address, after_run = pool.leave(key)
        source = self.context.home(layer, expert, weight_format)
        copy = self.plan.move(layer, expert, source, address, prefetch, after_run)
        pool.put(key, copy)
        return copy

    def _look_ahead(self, demand: LayerDemand, layer: int, guesses: list[int]) -> None:
        """Fetch the critical ones of what the next layer's gate would choose; a wrong guess ranks last."""
        if not guesses:
            return
        last = self.context.demand.top_k - 1
        first, ranks = self._count(layer, last + 1), self._ranks[demand.step, layer]
        kept = {self.key(layer, expert) for expert in guesses}
        for expert in guesses:
            if min(int(ranks[expert]), last) < first and not self._at_hand(layer, expert, self._high):
                self._copy(demand, layer, expert, self._high, kept, prefetch=True)

    def victim(self, candidates: list[Key], demand: LayerDemand) -> Key:
        return oldest(candidates)


def retained(layers: int, retention: float) -> NDArray[np.float64]:
    """[layers] r(l) = r_last + (1 - r_last) (1 + cos(pi l / (layers - 1))) / 2, whose mean is `retention`."""
    depth = np.linspace(0.0, 1.0, layers)
    last = 2 * retention - 1
    return np.asarray(last + (1 - last) * (1 + np.cos(np.pi * depth)) / 2)
