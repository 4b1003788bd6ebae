"""Shared by systems that compute the whole prefill on the GPU, and learn from it which experts to keep there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.options import EXPERTS, Options, option
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.plan import Column
from moe_cosim.workloads.policies.block_policy import BlockPolicy
from moe_cosim.workloads.policies.parts.cells import busiest_first, rank_in_cell
from moe_cosim.workloads.policies.parts.copies import Copies
from moe_cosim.workloads.policies.parts.staging import RING_EXPERTS, StagingRing

I64 = NDArray[np.int64]


class GpuExpertsOptions(Options):
    """How many experts the GPU keeps."""

    gpu_experts: int | None = option(
        None,
        "experts of each layer that stay in the GPU's memory, those the prefill used most; null: as many as fit",
        unit="experts per layer",
        ge=0,
        at_most=EXPERTS,
    )


class GpuPrefillPolicy(BlockPolicy):
    """In the prefill every expert passes through the GPU; each layer's most used ones stay.

    Subclasses call `take_gpu` in `prepare` and decide the decode steps in `plan_decode`.
    """

    copies: Copies
    """What runs where, but for experts that pass through the GPU."""
    hot: NDArray[np.bool_]
    """[layers, experts] which ones the GPU keeps."""

    def take_gpu(self, homes: I64, weight_format: WeightFormat, unit: Column, per_layer: int | None) -> None:
        """A staging ring, and `per_layer` slots for experts that stay (None: as many as fit).

        `homes` [layers, experts] are the addresses of the copies outside the GPU, which `unit` runs.
        """
        context = self.context
        layers, experts = context.demand.layers, context.demand.num_experts
        fit = context.gpu_slots_that_fit(weight_format)
        ring = min(RING_EXPERTS, fit)
        context.require_slots(ring, 1, "staging area")
        self.ring = StagingRing(self.plan, context.gpu_slots("staging area", weight_format, ring))
        most = min((fit - ring) // layers, experts)
        count = most if per_layer is None else min(per_layer, most)
        self.hot_slots = context.gpu_slots_by_layer("hot experts", weight_format, count)
        self.gpu = self.plan.unit_index(context.gpu.name)
        self.weight_format = self.plan.format_index(weight_format)
        self.copies = Copies(homes, self.weight_format, unit)
        self.hot = np.zeros((layers, experts), dtype=np.bool_)

    def is_hot(self, rows: DemandRows) -> NDArray[np.bool_]:
        """[rows] whether the GPU keeps the expert."""
        return self.hot[rows.layer, rows.expert]

    def plan_prefill(self, rows: DemandRows) -> None:
        ranked = busiest_first(rows)
        rank, layer, expert = rank_in_cell(ranked), ranked.layer, ranked.expert
        stays = rank < self.hot_slots.shape[1]
        target, prefetch, after_run = np.empty_like(rank), rank & 1, np.full_like(rank, -1)
        target[stays] = self.hot_slots[layer[stays], rank[stays]]
        passing = np.flatnonzero(~stays)
        target[passing], prefetch[passing], after_run[passing] = self.ring.turns(self.plan.next_run + passing)
        homes, weight_format = self.copies.address[layer, expert], self.weight_format
        first = self.plan.move_rows(
            ranked.step, layer, layer, expert, weight_format, homes, target, prefetch, after_run
        )
        move = first + np.arange(len(rank))
        self.plan.run_rows(ranked.step, layer, expert, ranked.tokens, self.gpu, weight_format, target, move)
        layer, expert = layer[stays], expert[stays]
        self.copies.put(layer, expert, self.gpu, weight_format, target[stays], move[stays])
        self.hot[layer, expert] = True

    def run(self, rows: DemandRows, passing: NDArray[np.bool_]) -> None:
        """Run all `rows`: those `passing` [rows] on the GPU, through the ring; the others where their copies are."""
        self.copies.run_passing(self.plan, rows, self.ring, self.gpu, passing)
