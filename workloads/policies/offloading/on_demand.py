"""On-demand offloading: every expert is fetched over the link when the gate asks for it."""

from __future__ import annotations

import numpy as np

from moe_cosim.options import EXPERTS, Options, option
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.block_policy import BlockPolicy
from moe_cosim.workloads.policies.parts.cells import rank_in_cell


class OnDemandOptions(Options):
    """How many fetched experts the GPU has room for at a time."""

    staging_experts: int | None = option(
        None, "slots of the staging area; null: as many as fit", unit="experts", ge=1, at_most=EXPERTS
    )


@policies.register("on-demand")
class OnDemand(BlockPolicy):
    """No cache: a staging area, empty again at the next layer."""

    summary = "every expert fetched over the link when the gate asks for it"
    homes = ("host", "cxl", "near-data", "mixed", "flash")
    options_class = OnDemandOptions
    options: OnDemandOptions

    def prepare(self) -> None:
        context = self.context
        weight_format = context.quantization.expert_format
        context.keep_all(weight_format)
        experts = context.demand.num_experts
        count = self.options.staging_experts or min(experts, context.gpu_slots_that_fit(weight_format))
        context.require_slots(count, 1, "staging area")
        self._staging = np.array(context.gpu_slots("staging area", weight_format, count), dtype=np.int64)
        self._homes, self._format = context.homes(weight_format), self.plan.format_index(weight_format)
        self._gpu = self.plan.unit_index(context.gpu.name)

    def plan_decode(self, rows: DemandRows) -> None:
        step, layer, expert, slots = rows.step, rows.layer, rows.expert, len(self._staging)
        rank, run = rank_in_cell(rows), self.plan.next_run + np.arange(len(expert))
        target = self._staging[rank % slots]
        after_run = np.where(rank < slots, -1, run - slots)  # each slot in turn
        homes = self._homes[layer, expert]
        first = self.plan.move_rows(step, layer, layer, expert, self._format, homes, target, after_run=after_run)
        move = first + np.arange(len(expert))
        self.plan.run_rows(step, layer, expert, rows.tokens, self._gpu, self._format, target, move)
