"""KTransformers: routed experts on the CPU, the most used ones on the GPU, the least ones merged late.

Source: Chen et al., "KTransformers" (SOSP 2025) and kvcache-ai/ktransformers: attention and shared
experts on the GPU, routed experts on the CPU with AMX and AVX-512 kernels in prefill and decode, optionally the top
experts by frequency on the GPU; *expert deferral* merges the results of the lowest-scored experts one layer
later, so that the CPU computes them while the GPU attends.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.options import TOP_K, option
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.hybrid.static_hybrid import StaticHybrid, StaticHybridOptions
from moe_cosim.workloads.policies.parts.cells import cell_of, order_in_cells, sum_before, sum_in_cell
from moe_cosim.workloads.policies.parts.resident_experts import ResidentOptions
from moe_cosim.workloads.policies.parts.static_placement import Strategy


class KTransformersOptions(StaticHybridOptions):
    """Those of static placement, and expert deferral (SOSP 2025)."""

    placement: Strategy = option("frequency", str(ResidentOptions.model_fields["placement"].description))
    deferred_experts: int = option(
        0,
        "of a token's experts, those merged one MoE layer later; in a batch whole experts, those with the least gate "
        "weight, up to that share of the tokens",
        unit="experts",
        ge=0,
        at_most=TOP_K,
    )


@policies.register("ktransformers")
class KTransformers(StaticHybrid):
    """Only decode steps defer, and only what the CPU computes beside a GPU."""

    summary = "experts on the CPU (AMX), frequent ones on the GPU, low-scored ones merged late (SOSP 2025)"
    system = "ktransformers"
    options_class = KTransformersOptions
    options: KTransformersOptions

    def prepare(self) -> None:
        super().prepare()
        share = self.options.deferred_experts / self.context.demand.top_k
        self._deferred_share = share if self.context.has_gpu else 0.0

    def plan_prefill(self, rows: DemandRows) -> None:
        super().plan_decode(rows)

    def plan_decode(self, rows: DemandRows) -> None:
        passing = self.passing(rows)
        self.run(rows, passing, self._deferred(rows, passing) if self._deferred_share else False)

    def _deferred(self, rows: DemandRows, passing: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """[rows] Whole experts of the least gate weight, while they fit into the share of the tokens."""
        late = np.zeros(len(rows.expert), dtype=np.bool_)
        candidates = ~self.is_held(rows) & ~passing & (rows.layer < self.context.demand.layers - 1)
        order = order_in_cells(rows, np.where(candidates, rows.gate_weight, np.inf))
        tokens, most = rows.tokens[order], self._deferred_share * sum_in_cell(rows.tokens, rows)
        late[order] = candidates[order] & (sum_before(tokens, rows) + tokens <= most[cell_of(rows)])
        return late
