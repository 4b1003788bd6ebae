"""Shared by the systems that cache experts in slots of the GPU's memory, whatever they run where."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection

from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.plan import Copy
from moe_cosim.workloads.policies.base import Policy
from moe_cosim.workloads.policies.parts.expert_slots import ExpertSlots, Key


class ExpertCachePolicy(Policy):
    """Subclasses own the pools and choose the victims."""

    @abstractmethod
    def victim(self, candidates: list[Key], demand: LayerDemand) -> Key:
        """Which of `candidates` (oldest use first) leaves."""

    def key(self, layer: int, expert: int) -> Key:
        """One number for an expert of a MoE layer."""
        return layer * self.context.demand.num_experts + expert

    def fetch(
        self,
        pool: ExpertSlots,
        demand: LayerDemand,
        layer: int,
        expert: int,
        weight_format: WeightFormat,
        pinned: Collection[Key],
        prefetch: bool,
    ) -> Copy | None:
        """Move an expert into a slot of `pool` while `demand` is planned; None when all its slots are pinned."""
        place = pool.place(pinned, lambda candidates: self.victim(candidates, demand))
        if place is None:
            return None
        address, after_run = place
        source = self.context.home(layer, expert, weight_format)
        copy = self.plan.move(layer, expert, source, address, prefetch=prefetch, after_run=after_run)
        pool.put(self.key(layer, expert), copy)
        return copy
