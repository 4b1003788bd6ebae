"""The context-aware CXL GPU-NDP system (arXiv 2512.04476), the first seed.

After the prefill of a sequence the layer's experts are ranked by how often and how strongly the
prompt used them; the top k go to the GPU in full precision and stay for the whole decode, the rest
run near the data with bit widths chosen per layer under an average budget.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.formats import WeightFormat, format_of_bits
from moe_cosim.options import EXPERTS, Options, option
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.block_policy import BlockPolicy
from moe_cosim.workloads.policies.parts.cells import cell_of
from moe_cosim.workloads.policies.parts.copies import Copies
from moe_cosim.workloads.quantization.allocation import allocators

WIDTHS = (1, 2, 3, 4)
"""Every expert is kept on the NDP device at each of these (algorithm, step 1)."""


class CxlNdpOptions(Options):
    """What the paper varies or leaves to the reader."""

    gpu_experts: int | None = option(
        None,
        "experts of each layer on the GPU (the paper: 4 of 8 for Mixtral-8x7B, 2 of 8 for 8x22B); null: as many as fit",
        unit="experts per layer",
        ge=0,
        at_most=EXPERTS,
    )
    alpha: float = option(
        0.5, "weight of an expert's tokens, against its gate weights, in its importance (the paper: 0.5)", ge=0, le=1
    )


@policies.register("cxl-ndp")
class CxlNdp(BlockPolicy):
    """Without an average of bits all experts keep full precision."""

    summary = "prefill-ranked experts on the GPU, the rest near the data at 1-4 bits (arXiv 2512.04476)"
    homes = ("near-data",)
    options_class = CxlNdpOptions
    options: CxlNdpOptions

    def prepare(self) -> None:
        context = self.context
        self._full = context.quantization.expert_format
        self._low = {bits: format_of_bits(bits) for bits in WIDTHS}
        budget = context.quantization.average_bits
        self._budget = None if budget is None else float(budget)
        self._alpha = self.options.alpha
        kept = [self._full, *(self._low.values() if self._budget is not None else ())]
        for weight_format in kept:
            context.keep_all(weight_format)
        layers, experts = context.demand.layers, context.demand.num_experts
        count = self.options.gpu_experts
        if count is None:
            count = min(context.gpu_slots_that_fit(self._full) // layers, experts)
        self._slots = context.gpu_slots_by_layer("experts on the GPU", self._full, count)
        self._index = {weight_format: self.plan.format_index(weight_format) for weight_format in kept}
        self._gpu = self.plan.unit_index(context.gpu.name)
        # the prompt itself is computed at full precision; its routing is what chooses the widths
        self._prompt, self._decode = (
            Copies(context.homes(self._full), self._index[self._full], context.ndp_units) for _ in range(2)
        )
        self._allocator = allocators.get(context.quantization.allocation, context.where, "quantization.allocation")()

    def formats(self) -> set[WeightFormat]:
        return {self._full, *self._low.values()}

    def plan_prefill(self, rows: DemandRows) -> None:
        self._place(rows)
        self._prompt.run(self.plan, rows)

    def plan_decode(self, rows: DemandRows) -> None:
        self._decode.run(self.plan, rows)

    def _place(self, rows: DemandRows) -> None:
        """Steps 3 to 5 of the algorithm, once the prompt's routing is known."""
        layers = rows.layer[rows.starts[:-1]]
        importance = self.importance(rows)
        ranked = np.argsort(-importance, axis=1, kind="stable")
        count = self._slots.shape[1]
        hot, layer = ranked[:, :count].ravel(), np.repeat(layers, count)
        homes, slots = self._prompt.address[layer, hot], self._slots[layers].ravel()
        full = self._index[self._full]
        first = self.plan.move_rows(0, layer, layer, hot, full, homes, slots)
        for copies in (self._prompt, self._decode):
            copies.put(layer, hot, self._gpu, full, slots, first + np.arange(len(hot)))
        if self._budget is not None:
            for at, cold in enumerate(ranked[:, count:]):
                self._quantize(int(layers[at]), cold, importance[at, cold], self._budget)

    def _quantize(self, layer: int, experts: NDArray[np.int64], importance: NDArray[np.float64], budget: float) -> None:
        context = self.context
        losses = context.quantization.losses.of_layer(layer, WIDTHS, context.where)[experts]
        bits = self._allocator.allocate(importance, losses, budget, context.where)
        for width, weight_format in self._low.items():
            chosen = experts[bits == width]
            self._decode.weight_format[layer, chosen] = self._index[weight_format]
            self._decode.address[layer, chosen] = context.homes(weight_format)[layer, chosen]

    def importance(self, rows: DemandRows) -> NDArray[np.float64]:
        """S = alpha * norm(P) + (1 - alpha) * norm(W) [cells, experts], P counts and W summed gate weights.

        The paper does not say which norm; each is divided by its sum over the layer's experts.
        """
        counts = np.zeros((len(rows.starts) - 1, self.context.demand.num_experts))
        weights = np.zeros_like(counts)
        cell = cell_of(rows)
        counts[cell, rows.expert] = rows.tokens
        weights[cell, rows.expert] = rows.gate_weight
        total = np.maximum(weights.sum(axis=1, keepdims=True), 1e-30)  # weights may all be 0
        return np.asarray(
            self._alpha * counts / counts.sum(axis=1, keepdims=True) + (1 - self._alpha) * weights / total
        )
