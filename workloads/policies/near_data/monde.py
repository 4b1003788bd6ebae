"""MoNDE: hot experts move to the GPU, cold experts' activations move to the device.

Source: Kim et al., "MoNDE: Mixture of Near-Data Experts for Large-Scale Sparse Models" (DAC 2024,
arXiv 2405.18832): experts are sorted by token count; the top H are computed on the GPU after their
weights have moved ("PMove"), the rest in the device ("AMove"), both side by side. Decided afresh
every layer and step.
"""

from __future__ import annotations

import math

from moe_cosim.assumptions import Assumption
from moe_cosim.hw_models.link_share import link_share
from moe_cosim.options import EXPERTS, Options, option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.plan import Copy
from moe_cosim.workloads.policies.base import Policy, policies

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
    resident_experts: int | None = option(
        None,
        "with the assumption monde-migration at ceil-unless-resident: experts of each layer that the GPU keeps from "
        "the prefill; null: as many as fit",
        unit="experts per layer",
        ge=0,
        at_most=EXPERTS,
    )


@policies.register("monde")
class Monde(Policy):
    """H = alpha * BW_link / (BW_device + BW_link) * activated experts, rounded by assumption."""

    summary = "hottest experts' weights to the GPU, other experts near the data (MoNDE, DAC 2024)"
    homes = ("near-data",)
    options_class = MondeOptions
    assumptions = (ALPHA, MIGRATION)
    options: MondeOptions

    def prepare(self) -> None:
        context = self.context
        self._format = context.quantization.expert_format
        context.keep_all(self._format)
        self._wanted = self.options.resident_experts
        self._migration = context.choice(MIGRATION)
        self._share = context.number(ALPHA) * link_share(context.machine, context.home_memories, context.gpu_memory)
        self._resident: dict[tuple[int, int], Copy] = {}
        self._resident_slots: list[list[int]] = []
        if self._migration == "ceil-unless-resident":
            self._take_resident_slots()
        count = min(self._moved(context.demand.num_experts), context.gpu_slots_that_fit(self._format))
        context.require_slots(count, min(self._moved(1), 1), "staging area")
        self._staging = context.gpu_slots("staging area", self._format, count)

    def _take_resident_slots(self) -> None:
        context = self.context
        layers = context.demand.layers
        most = context.demand.num_experts
        fit = max(context.gpu_slots_that_fit(self._format) - most, 0) // layers
        count = min(fit, most) if self._wanted is None else self._wanted
        slots = context.gpu_slots("resident experts", self._format, count * layers)
        self._resident_slots = [slots[layer * count : (layer + 1) * count] for layer in range(layers)]

    def _moved(self, activated: int) -> int:
        exact = self._share * activated
        return math.floor(exact) if self._migration == "floor" else math.ceil(exact - 1e-9)

    def plan_layer(self, demand: LayerDemand) -> None:
        context, gpu = self.context, self.context.gpu.name
        ranked = demand.busiest_first()
        held = {expert: self._resident[demand.layer, expert] for expert, _ in ranked if self._holds(demand, expert)}
        moves = 0 if held else min(self._moved(len(ranked)), len(self._staging))
        to_move = [expert for expert, _ in ranked if expert not in held][:moves]
        kept = self._keep_after_prefill(demand, [expert for expert, _ in ranked])
        for expert, tokens in ranked:
            home = context.home(demand.layer, expert, self._format)
            if expert in held:
                self.plan.run(expert, tokens, gpu, held[expert])
            elif expert in kept:
                self.plan.run(expert, tokens, gpu, kept[expert])
            elif expert in to_move:
                target = self._staging[to_move.index(expert)]
                self.plan.run(expert, tokens, gpu, self.plan.move(demand.layer, expert, home, target))
            else:
                self.plan.run(expert, tokens, context.ndp_of(expert).name, home)

    def _holds(self, demand: LayerDemand, expert: int) -> bool:
        return (demand.layer, expert) in self._resident

    def _keep_after_prefill(self, demand: LayerDemand, ranked: list[int]) -> dict[int, Copy]:
        """The prefill's hottest experts move into the resident slots, where there are any."""
        if demand.step != 0 or not self._resident_slots:
            return {}
        kept = {}
        for expert, slot in zip(ranked, self._resident_slots[demand.layer], strict=False):
            home = self.context.home(demand.layer, expert, self._format)
            kept[expert] = self._resident[demand.layer, expert] = self.plan.move(demand.layer, expert, home, slot)
        return kept
