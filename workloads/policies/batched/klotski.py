"""Klotski: GPU only; a group of batches shares each expert's way over the link, hot experts first.

Source: Fang et al., "Klotski" (ASPLOS 2025): batches are grouped until their computation hides the
loads (here the experiment's whole batch is the group); experts in the GPU's memory run first, hot
ones are prefetched while the layer before runs, the others run in the order in which they arrive.
"""

from __future__ import annotations

from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.cells import order_in_cells, reordered
from moe_cosim.workloads.policies.parts.resident_experts import ResidentExpertsPolicy, ResidentOptions


@policies.register("klotski")
class Klotski(ResidentExpertsPolicy):
    """The experts that stay are what its prefetcher would fetch every step, so they need no traffic;
    all others stream."""

    summary = "GPU only: resident experts first, the others stream over the link for the whole batch (ASPLOS 2025)"
    homes = ("host", "cxl", "near-data", "mixed")
    options_class = ResidentOptions
    options: ResidentOptions

    def prepare(self) -> None:
        weight_format = self.context.quantization.expert_format
        self.take_ring(weight_format)
        self.take_resident(self.options, weight_format, self.plan.unit_index(self.context.gpu.name))

    def plan_decode(self, rows: DemandRows) -> None:
        resident_first = reordered(rows, order_in_cells(rows, ~self.is_held(rows), -rows.tokens))
        self.run(resident_first, passing=~self.is_held(resident_first))
