"""HOBBIT: mixed-precision expert offloading with a multidimensional cache.

Source: Tang et al., "HOBBIT: A Mixed Precision Expert Offloading System for Fast MoE Inference"
(arXiv 2411.01433): token-level precision of missing experts by gate weight, layer-level prefetch by
later gates, sequence-level cache priority of recency, frequency, high-precision use and layer
distance, one cache per precision.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption
from moe_cosim.errors import InputError
from moe_cosim.hw_models.formats import WeightFormat, find_format
from moe_cosim.options import Options, option
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.block_policy import BlockPolicy
from moe_cosim.workloads.policies.parts.speculation import Speculation

if TYPE_CHECKING:
    from moe_cosim.workloads.policies.offloading.hobbit_cache import Written

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
    """Thresholds and distance as the paper has them."""

    t1: float = option(0.6, "unimportance above which a missing expert comes at low precision", ge=0, le=1)
    t2: float = option(0.9, "unimportance above which it is skipped; at least t1", ge=0, le=1)
    low_format: str = option(
        "int4", "number format of the low precision", allowed="a number format of fewer bits than the experts'"
    )
    prefetch_layers: int = option(1, "how far ahead experts are fetched; 0: not at all", unit="layers", ge=0, le=3)


@policies.register("hobbit")
class Hobbit(BlockPolicy):
    """Unimportance of an expert: the gate weights of the token's experts before it, added up. The
    thresholds are those of the paper for Mixtral."""

    summary = "mixed-precision expert cache with prefetch on the GPU (HOBBIT, arXiv 2411.01433)"
    homes = ("host", "cxl", "near-data", "mixed")
    may_skip = True
    options_class = HobbitOptions
    assumptions = (PREFETCH_ACCURACY, GPU_MEMORY, LOW_SHARE, W_LRU, W_LFU, W_LHU, W_FLD)
    options: HobbitOptions

    def prepare(self) -> None:
        from moe_cosim.workloads.policies.offloading.hobbit_cache import Caches  # compiled: Numba is slow to import

        context = self.context
        self._high = context.quantization.expert_format
        self._low = find_format(self.options.low_format, context.where, "policy.low_format")
        if self._low.bits >= self._high.bits:
            allowed = f"a format of fewer bits than {self._high.name}"
            raise InputError(context.where, "policy.low_format", self._low.name, allowed)
        for weight_format in (self._high, self._low):  # not the set: addresses follow the order
            context.keep_all(weight_format)
        slots = self._take_caches()
        weights = [context.number(weight) for weight in (W_LRU, W_LFU, W_LHU, W_FLD)]
        self._t1, self._t2 = self.options.t1, self.options.t2
        if self._t2 < self._t1:
            raise InputError(context.where, "policy.t2", self._t2, f"at least t1, {self._t1}")
        self._caches = Caches.empty(slots, context.demand.layers * context.demand.num_experts, weights)
        self._levels = self._deserved_levels()
        ahead = self.options.prefetch_layers
        accuracy = context.number(PREFETCH_ACCURACY) if ahead else 1.0
        guesses = [Speculation(context.demand, accuracy, context.seed, ahead=n + 1) for n in range(ahead)]
        before = np.cumsum([0, *(len(one.guesses) for one in guesses)])
        cells = context.demand.steps * context.demand.layers
        self._guesses = np.concatenate([np.zeros(0, np.int32), *(one.guesses for one in guesses)])
        self._guess_starts = np.zeros((ahead, cells + 1), np.int64)
        for distance, one in enumerate(guesses):
            self._guess_starts[distance] = before[distance] + one.starts
        self._formats = np.array([self.plan.format_index(one) for one in (self._high, self._low)])
        self._homes = np.stack([context.homes(one).ravel() for one in (self._high, self._low)])
        self._gpu = self.plan.unit_index(context.gpu.name)

    def formats(self) -> set[WeightFormat]:
        return {self._high, self._low}

    def _take_caches(self) -> list[list[int]]:
        """Addresses of the slots at full and at low precision."""
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
        return [high_slots, low_slots]

    def plan_decode(self, rows: DemandRows) -> None:
        from moe_cosim.workloads.policies.offloading.hobbit_cache import Asked, Written, decide

        asked = Asked(rows.step, rows.layer, rows.expert, rows.starts, self._levels, self._guesses, self._guess_starts)
        written = Written.room_for(len(rows.expert), len(rows.expert) + self._most_guessed(rows))
        decide(self._caches, asked, written, self.plan.next_run, self.plan.next_move)
        self._write(rows, written)

    def _most_guessed(self, rows: DemandRows) -> int:
        """As many experts as may be fetched ahead in these steps."""
        layers = self.context.demand.layers
        first, last = int(rows.step[0]) * layers, (int(rows.step[-1]) + 1) * layers
        return int((self._guess_starts[:, last] - self._guess_starts[:, first]).sum())

    def _write(self, rows: DemandRows, written: Written) -> None:
        runs, moves, skips = written.counts.tolist()
        at, experts = written.run_row[:runs], self.context.demand.num_experts
        columns = (self._formats[written.run_cache[:runs]], written.run_address[:runs], written.run_move[:runs])
        self.plan.run_rows(rows.step[at], rows.layer[at], rows.expert[at], rows.tokens[at], self._gpu, *columns)
        at, key, cache = written.move_row[:moves], written.move_key[:moves], written.move_cache[:moves]
        self.plan.move_rows(
            rows.step[at],
            rows.layer[at],
            key // experts,
            key % experts,
            self._formats[cache],
            self._homes[cache, key],
            written.move_target[:moves],
            written.move_ahead[:moves],
            written.move_after[:moves],
        )
        at = written.skip_row[:skips]
        self.plan.skip_rows(rows.step[at], rows.layer[at], rows.expert[at], rows.tokens[at])

    def _deserved_levels(self) -> NDArray[np.int8]:
        """[steps, layers, experts]: 0 full, 1 low, 2 skip; the best that any of the tokens asks for.

        The predictor sees nearly the gate's own weights, so a right guess comes at the precision the gate
        will ask for; a wrong one ranks low, and comes at low precision.
        """
        demand = self.context.demand
        levels = np.full((demand.steps, demand.layers, demand.num_experts), 2, dtype=np.int8)
        for first_step, first_layer, experts, weights in demand.choices():
            order = np.argsort(-weights, axis=-1, kind="stable")
            share = np.take_along_axis(weights, order, axis=-1).astype(np.float64)
            unimportance = np.cumsum(share, axis=-1) - share
            level = (unimportance > self._t1).astype(np.int8) + (unimportance > self._t2)
            step, layer = np.indices(experts.shape[:2]).reshape(2, *experts.shape[:2], 1, 1)
            ranked = np.take_along_axis(experts, order, axis=-1)
            asked = np.broadcast_arrays(first_step + step, first_layer + layer, ranked)
            has_weights = ranked < demand.num_experts
            np.minimum.at(levels, tuple(each[has_weights] for each in asked), level[has_weights])
        levels[~demand.active()] = 1
        return levels
