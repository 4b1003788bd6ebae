"""HOBBIT: mixed-precision expert offloading with a multidimensional cache.

Source: Tang et al., "HOBBIT: A Mixed Precision Expert Offloading System for Fast MoE Inference"
(arXiv 2411.01433): token-level precision of missing experts by gate weight, layer-level prefetch by
later gates, sequence-level cache priority of recency, frequency, high-precision use and layer
distance, one cache per precision.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption
from moe_cosim.errors import InputError
from moe_cosim.options import Options, option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.expert_cache import ExpertCachePolicy
from moe_cosim.workloads.policies.parts.expert_slots import ExpertSlots, Key
from moe_cosim.workloads.policies.parts.speculation import Speculation
from moe_cosim.workloads.quantization.formats import WeightFormat, find_format

PREFETCH_ACCURACY = Assumption(
    "hobbit-prefetch-accuracy",
    0.96,
    (0.0, 1.0),
    "HOBBIT measures 96 % top-1 for the next layer (arXiv 2411.01433); taken for every expert it names",
)
GPU_MEMORY = Assumption(
    "hobbit-gpu-memory",
    "24 GB",
    ("16 GB", "80 GB"),
    "GPU memory HOBBIT works in: dense weights, KV cache and expert caches. 24 GB is its own testbed (RTX 4090, "
    "arXiv 2411.01433). arXiv 2512.04476 does not say what it gave HOBBIT; its 18-19x need about 1.8 full-precision "
    "loads per layer, so hardly a cache hit, which 80 GB would rule out",
    "bytes",
)
LOW_SHARE = Assumption(
    "hobbit-low-precision-share",
    0.2,
    (0.05, 0.5),
    "share of the cache's bytes given to low-precision copies; not published. 0.2 lets the low-precision cache hold "
    "as many experts as the other (INT4 is a quarter of FP16)",
)
_PRIORITY = "weight of the cache priority, tuned per model in arXiv 2411.01433 and not published; equal by default"
W_LRU = Assumption("hobbit-w-lru", 0.25, (0.0, 1.0), f"recency {_PRIORITY}")
W_LFU = Assumption("hobbit-w-lfu", 0.25, (0.0, 1.0), f"frequency {_PRIORITY}")
W_LHU = Assumption("hobbit-w-lhu", 0.25, (0.0, 1.0), f"high-precision use {_PRIORITY}")
W_FLD = Assumption("hobbit-w-fld", 0.25, (0.0, 1.0), f"layer distance {_PRIORITY}")


class HobbitOptions(Options):
    t1: float = option(0.6, "unimportance above which a missing expert comes at low precision", ge=0, le=1)
    t2: float = option(0.9, "unimportance above which it is skipped; at least t1", ge=0, le=1)
    low_format: str = option(
        "int4", "number format of the low precision", allowed="a number format of fewer bits than the experts'"
    )
    prefetch_layers: int = option(1, "how far ahead experts are fetched; 0: not at all", unit="layers", ge=0, le=3)


@policies.register("hobbit")
class Hobbit(ExpertCachePolicy):
    """Unimportance of an expert: the gate weights of the token's experts before it, added up. The
    thresholds are those of the paper for Mixtral."""

    summary = "mixed-precision expert cache with prefetch on the GPU (HOBBIT, arXiv 2411.01433)"
    homes = ("host", "cxl", "near-data", "mixed")
    may_skip = True
    options_class = HobbitOptions
    assumptions = (PREFETCH_ACCURACY, GPU_MEMORY, LOW_SHARE, W_LRU, W_LFU, W_LHU, W_FLD)
    options: HobbitOptions

    def prepare(self) -> None:
        context = self.context
        self._high = context.quantization.expert_format
        self._low = find_format(self.options.low_format, context.where, "policy.low_format")
        if self._low.bits >= self._high.bits:
            allowed = f"a format of fewer bits than {self._high.name}"
            raise InputError(context.where, "policy.low_format", self._low.name, allowed)
        for weight_format in (self._high, self._low):  # not the set: addresses follow the order
            context.keep_all(weight_format)
        self._take_caches()
        shape = (context.demand.layers, context.demand.num_experts)
        self._last_use = np.full(shape, -1.0)
        self._uses = np.zeros(shape)
        self._high_uses = np.zeros(shape)
        self._weights = [context.number(weight) for weight in (W_LRU, W_LFU, W_LHU, W_FLD)]
        self._t1, self._t2 = self.options.t1, self.options.t2
        if self._t2 < self._t1:
            raise InputError(context.where, "policy.t2", self._t2, f"at least t1, {self._t1}")
        self._by_level: tuple[WeightFormat | None, ...] = (self._high, self._low, None)
        self._levels = self._deserved_levels()
        self._active = context.demand.active()
        ahead = self.options.prefetch_layers
        accuracy = context.number(PREFETCH_ACCURACY) if ahead else 1.0
        self._guesses = [Speculation(context.demand, accuracy, context.seed, ahead=n + 1) for n in range(ahead)]

    def formats(self) -> set[WeightFormat]:
        return {self._high, self._low}

    def _take_caches(self) -> None:
        context = self.context
        withheld = max(context.capacity_bytes(context.gpu_memory) - round(context.number(GPU_MEMORY)), 0)
        free = max(context.addresses.free_bytes(context.gpu_memory) - withheld, 0)
        total = context.demand.layers * context.demand.num_experts
        low_share = context.number(LOW_SHARE)
        low = min(math.floor(free * low_share / context.expert_bytes(self._low)), total)
        # both caches must hold at least one expert beside the one in use
        context.require_slots(low, 2, "low-precision expert cache")
        low_slots = context.gpu_slots("low-precision expert cache", self._low, low)
        high = min(math.floor(free * (1 - low_share) / context.expert_bytes(self._high)), total)
        context.require_slots(high, 2, "expert cache")
        high_slots = context.gpu_slots("expert cache", self._high, high)
        self._pools = {self._high: ExpertSlots(high_slots), self._low: ExpertSlots(low_slots)}

    # -- one layer --------------------------------------------------------------------------

    def plan_layer(self, demand: LayerDemand) -> None:
        step, layer = demand.step, demand.layer
        precision = {expert: self._precision(step, layer, expert) for expert in demand.experts}
        keys = {expert: self.key(demand.layer, expert) for expert in demand.experts}
        cached = {expert: self._cached(keys[expert], precision[expert]) for expert in demand.experts}
        order = sorted(demand.experts, key=lambda expert: cached[expert] is None)
        tokens = dict(zip(demand.experts, demand.tokens, strict=True))
        for expert in order:
            key, found, wanted = keys[expert], cached[expert], precision[expert]
            if found is None and wanted is None:
                self.plan.skip(expert, tokens[expert])
                continue
            if found is None:
                assert wanted is not None
                found = wanted
                # what was at hand has run by now, so any slot may be taken
                self.fetch(self._pools[found], demand, demand.layer, expert, found, set(), prefetch=False)
            pool = self._pools[found]
            pool.ran(key, self.plan.run(expert, tokens[expert], self.context.gpu.name, pool.used(key)))
            self._note_use(demand, expert, found)
        if demand.step > 0:
            self._prefetch(demand)

    def _precision(self, step: int, layer: int, expert: int) -> WeightFormat | None:
        """What a chosen expert deserves on a miss; None: it may be skipped."""
        return self._by_level[int(self._levels[step, layer, expert])]

    def _deserved_levels(self) -> NDArray[np.uint8]:
        """[steps, layers, experts]: 0 full, 1 low, 2 skip; the best that any of the tokens asks for."""
        demand = self.context.demand
        levels = np.full((demand.steps, demand.layers, demand.num_experts), 2, dtype=np.uint8)
        first = 0
        for experts, weights in demand.choices():
            order = np.argsort(-weights, axis=-1, kind="stable")
            share = np.take_along_axis(weights, order, axis=-1).astype(np.float64)
            unimportance = np.cumsum(share, axis=-1) - share
            level = (unimportance > self._t1).astype(np.uint8) + (unimportance > self._t2)
            step, layer = np.indices(experts.shape[:2]).reshape(2, *experts.shape[:2], 1, 1)
            ranked = np.take_along_axis(experts, order, axis=-1)
            np.minimum.at(levels, (first + step, layer, ranked), level)
            first += len(experts)
        return levels

    def _cached(self, key: Key, wanted: WeightFormat | None) -> WeightFormat | None:
        """The best copy at hand; a low-precision one does not stand in where full is deserved."""
        if key in self._pools[self._high]:
            return self._high
        if key in self._pools[self._low] and wanted != self._high:
            return self._low
        return None

    def _prefetch(self, demand: LayerDemand) -> None:
        """Later layers' likely experts, nearest layer first.

        The predictor sees nearly the gate's own weights, so a right guess comes at the precision the
        gate will ask for; a wrong one ranks low, and comes at low precision.
        """
        pinned = {self.key(demand.layer, expert) for expert in demand.experts}
        for distance, guesses in enumerate(self._guesses, start=1):
            layer = demand.layer + distance
            guessed = guesses.experts(demand.step, layer)
            pinned.update(self.key(layer, expert) for expert in guessed)
            for expert in guessed:
                chosen = self._active[demand.step, layer, expert]
                wanted = self._precision(demand.step, layer, expert) if chosen else self._low
                if wanted is not None and self._cached(self.key(layer, expert), wanted) is None:
                    self.fetch(self._pools[wanted], demand, layer, expert, wanted, pinned, prefetch=True)

    # -- cache priority ---------------------------------------------------------------------

    def _note_use(self, demand: LayerDemand, expert: int, weight_format: WeightFormat) -> None:
        self._last_use[demand.layer, expert] = demand.step
        self._uses[demand.layer, expert] += 1
        self._high_uses[demand.layer, expert] += weight_format == self._high

    def victim(self, candidates: list[Key], demand: LayerDemand) -> Key:
        """Lowest priority; each term lies in [0, 1]; ties: oldest use."""
        keys = np.array(candidates)
        layer, expert = np.divmod(keys, self.context.demand.num_experts)
        now = demand.step + 1.0
        layers = self.context.demand.layers
        recency = (self._last_use[layer, expert] + 1) / (now + 1)
        frequency = self._uses[layer, expert] / now
        high = self._high_uses[layer, expert] / now
        nearness = 1 - ((layer - demand.layer) % layers) / layers
        terms = (recency, frequency, high, nearness)
        priority = sum(weight * term for weight, term in zip(self._weights, terms, strict=True))
        return candidates[int(np.argmin(priority))]
