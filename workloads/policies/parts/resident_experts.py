"""Shared by systems whose GPU holds the same experts from the start to the end of a run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.options import EXPERTS, Options, option
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.plan import Column
from moe_cosim.workloads.policies.block_policy import BlockPolicy
from moe_cosim.workloads.policies.parts.copies import Ahead, Copies
from moe_cosim.workloads.policies.parts.staging import RING_EXPERTS, StagingRing
from moe_cosim.workloads.policies.parts.static_placement import Strategy, placed


class ResidentOptions(Options):
    """How many experts the GPU holds, and which."""

    gpu_experts: int | None = option(
        None,
        "experts of each layer in the GPU's memory from the start, on average over the layers; null: as many as fit",
        unit="experts per layer",
        ge=0,
        at_most=EXPERTS,
    )
    placement: Strategy = option(
        "frequency",
        "which ones: the first of every layer, drawn from the seed, the most used of all layers by the prompt's "
        "tokens (which stand for statistics collected offline), or whole layers from the first on",
    )


class ResidentExpertsPolicy(BlockPolicy):
    """An expert that the GPU does not hold stays outside, and is computed there or passes through a staging ring.

    Subclasses call `take_ring`, then `take_resident` or `take_places`, in `prepare`.
    """

    ring: StagingRing
    copies: Copies
    """What runs where, but for experts that pass through the GPU."""
    held: NDArray[np.bool_]
    """[layers, experts] which ones the GPU holds."""

    def take_ring(self, weight_format: WeightFormat, used: bool = True) -> None:
        """Without slots where it is not `used`."""
        context = self.context
        slots = min(RING_EXPERTS if used else 0, context.gpu_slots_that_fit(weight_format))
        context.require_slots(slots, int(used), "staging area")
        self.ring = StagingRing(self.plan, context.gpu_slots("staging area", weight_format, slots))

    def take_resident(self, options: ResidentOptions, weight_format: WeightFormat, unit: int) -> None:
        """What `options` ask for in the GPU's memory, all else outside, where `unit` runs it."""
        layers = self.context.demand.layers
        count = None if options.gpu_experts is None else options.gpu_experts * layers
        self.take_places(self.strategic(options.placement, count, weight_format), weight_format, unit)

    def strategic(self, strategy: Strategy, count: int | None, weight_format: WeightFormat) -> NDArray[np.bool_]:
        """[layers, experts] which experts the GPU holds, `count` of all layers together (None: as many as fit)."""
        context = self.context
        tokens = np.zeros((context.demand.layers, context.demand.num_experts), dtype=np.int64)
        prompt = context.demand.rows(0, 1)
        tokens[prompt.layer, prompt.expert] = prompt.tokens
        if count is None:
            count = min(context.gpu_slots_that_fit(weight_format), tokens.size)
        return placed(strategy, count, tokens, context.seed)

    def take_places(self, held: NDArray[np.bool_], weight_format: WeightFormat, unit: int) -> None:
        """Copies of the experts that are `held` [layers, experts] in the GPU's memory, of the others at home, where
        `unit` (an index into the plan's units) runs them.
        """
        context = self.context
        self.held, self.gpu = held, self.plan.unit_index(context.gpu.name)
        self.weight_format = self.plan.format_index(weight_format)
        on_gpu = np.full(held.shape, -1, dtype=np.int64)
        on_gpu[held] = context.gpu_slots("experts on the GPU", weight_format, int(held.sum()))
        self.plan.reside(weight_format, on_gpu)
        homes = context.keep_some(weight_format, ~held)
        self.copies = Copies(np.where(held, on_gpu, homes), self.weight_format, np.where(held, self.gpu, unit))

    def is_held(self, rows: DemandRows) -> NDArray[np.bool_]:
        """[rows] whether the GPU holds the expert."""
        return self.held[rows.layer, rows.expert]

    def run(
        self,
        rows: DemandRows,
        passing: NDArray[np.bool_],
        deferred: Column = False,
        ahead: Ahead | None = None,
    ) -> None:
        """Run all `rows`: those `passing` [rows] on the GPU, through the ring, and those that come `ahead` of them; the
        others where their copies are."""
        self.copies.run_passing(self.plan, rows, self.ring, self.gpu, passing, deferred, ahead)
