"""MoNDE: hot experts move to the GPU, cold experts' activations move to the device.

Source: Kim et al., "MoNDE: Mixture of Near-Data Experts for Large-Scale Sparse Models" (DAC 2024,
arXiv 2405.18832): experts are sorted by token count; the top H are computed on the GPU after their
weights have moved ("PMove"), the rest in the device ("AMove"), both side by side. Decided afresh
every layer and step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption
from moe_cosim.hw_models.link_share import link_share
from moe_cosim.options import EXPERTS, Options, option
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.block_policy import BlockPolicy
from moe_cosim.workloads.policies.parts.cells import busiest_first, cell_of, rank_in_cell, sum_in_cell
from moe_cosim.workloads.policies.parts.copies import Copies

ALPHA = Assumption(
    "monde-alpha",
    1.0,
    (0.25, 8.0),
    "scale of H; MoNDE tunes it per workload and does not publish it (arXiv 2405.18832)",
)
MIGRATION = Assumption(
    "monde-migration",
    "ceil",
    ("ceil", "ceil-unless-resident", "floor"),
    "how H is rounded: a later re-implementation uses ceil(), so every step moves at least one expert; "
    "'ceil-unless-resident' lets the GPU keep its hottest experts from the prefill and moves only when none of "
    "them is asked for; 'floor' moves nothing at batch 1",
    "choice",
)


class MondeOptions(Options):
    """How many experts stay on the GPU is ours: the paper moves the hot ones anew in every layer."""

    resident_experts: int | None = option(
        None,
        "with the assumption monde-migration at ceil-unless-resident: experts of each layer that the GPU keeps from "
        "the prefill; null: as many as fit",
        unit="experts per layer",
        ge=0,
        at_most=EXPERTS,
    )


@policies.register("monde")
class Monde(BlockPolicy):
    """H = alpha * BW_link / (BW_device + BW_link) * activated experts, rounded by assumption."""

    summary = "hottest experts' weights to the GPU, other experts near the data (MoNDE, DAC 2024)"
    homes = ("near-data",)
    cost_model = "monde"
    options_class = MondeOptions
    assumptions = (ALPHA, MIGRATION)
    options: MondeOptions

    def prepare(self) -> None:
        context = self.context
        self._format = context.quantization.expert_format
        context.keep_all(self._format)
        self._wanted = self.options.resident_experts
        self._migration = context.choice(MIGRATION)
        self._gpu = self.plan.unit_index(context.gpu.name)
        self._share = context.number(ALPHA) * link_share(context.machine, context.home_memories, context.gpu_memory)
        self._resident_slots = self._take_resident_slots()
        self._resident = Copies(context.homes(self._format), self.plan.format_index(self._format), context.ndp_units)
        count = min(int(self._moved(context.demand.num_experts)), context.gpu_slots_that_fit(self._format))
        context.require_slots(count, min(int(self._moved(1)), 1), "staging area")
        self._staging = np.array(context.gpu_slots("staging area", self._format, count), dtype=np.int64)

    def _take_resident_slots(self) -> NDArray[np.int64]:
        """[layers, experts that the GPU keeps of each]"""
        context = self.context
        layers, most = context.demand.layers, context.demand.num_experts
        if self._migration != "ceil-unless-resident":
            return np.zeros((layers, 0), dtype=np.int64)
        fit = max(context.gpu_slots_that_fit(self._format) - most, 0) // layers
        count = min(fit, most) if self._wanted is None else self._wanted
        return context.gpu_slots_by_layer("resident experts", self._format, count)

    def _moved(self, activated: NDArray[np.int64] | int) -> NDArray[np.int64]:
        exact = self._share * np.asarray(activated)
        rounded = np.floor(exact) if self._migration == "floor" else np.ceil(exact - 1e-9)
        return rounded.astype(np.int64)

    def plan_prefill(self, rows: DemandRows) -> None:
        """The prefill's hottest experts move into the resident slots, where there are any."""
        self._plan(rows, self._resident_slots.shape[1])

    def plan_decode(self, rows: DemandRows) -> None:
        self._plan(rows, 0)

    def _plan(self, rows: DemandRows, keep: int) -> None:
        """The GPU keeps the `keep` hottest of each layer."""
        ranked = busiest_first(rows)
        rank, at = rank_in_cell(ranked), (ranked.layer, ranked.expert)
        unit, address, move = self._resident.unit[at], self._resident.address[at], self._resident.move[at]
        moves = np.minimum(self._moved(np.diff(ranked.starts)), len(self._staging))
        moves[sum_in_cell(move >= 0, ranked) > 0] = 0  # one asked for is there
        going = np.flatnonzero(rank < np.maximum(moves, keep)[cell_of(ranked)])
        layer, expert, rank = ranked.layer[going], ranked.expert[going], rank[going]
        stays = rank < keep
        target = np.empty(len(going), dtype=np.int64)
        target[stays] = self._resident_slots[layer[stays], rank[stays]]
        target[~stays] = self._staging[rank[~stays]]
        weight_format = self.plan.format_index(self._format)
        first = self.plan.move_rows(ranked.step[going], layer, layer, expert, weight_format, address[going], target)
        number = first + np.arange(len(going))
        unit[going], address[going], move[going] = self._gpu, target, number
        self._resident.put(layer[stays], expert[stays], self._gpu, weight_format, target[stays], number[stays])
        self.plan.run_rows(ranked.step, ranked.layer, ranked.expert, ranked.tokens, unit, weight_format, address, move)
