"""The context-aware CXL GPU-NDP system (arXiv 2512.04476), the first seed.

After the prefill of a sequence the layer's experts are ranked by how often and how strongly the
prompt used them; the top k go to the GPU in full precision and stay for the whole decode, the rest
run near the data with bit widths chosen per layer under an average budget.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.options import EXPERTS, Options, option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.plan import Copy
from moe_cosim.workloads.policies.base import Policy, policies
from moe_cosim.workloads.quantization.allocation import allocators
from moe_cosim.workloads.quantization.formats import WeightFormat, format_of_bits

WIDTHS = (1, 2, 3, 4)
"""Every expert is kept on the NDP device at each of these (algorithm, step 1)."""


class CxlNdpOptions(Options):
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
class CxlNdp(Policy):
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
        for weight_format in [self._full, *(self._low.values() if self._budget is not None else ())]:
            context.keep_all(weight_format)
        layers, experts = context.demand.layers, context.demand.num_experts
        count = self.options.gpu_experts
        if count is None:
            count = min(context.gpu_slots_that_fit(self._full) // layers, experts)
        slots = context.gpu_slots("experts on the GPU", self._full, count * layers)
        self._slots = [slots[layer * count : (layer + 1) * count] for layer in range(layers)]
        self._on_gpu: list[dict[int, Copy]] = [{} for _ in range(layers)]
        self._on_ndp: list[dict[int, Copy]] = [{} for _ in range(layers)]
        self._allocator = allocators.get(context.quantization.allocation, context.where, "quantization.allocation")()

    def formats(self) -> set[WeightFormat]:
        return {self._full, *self._low.values()}

    def plan_layer(self, demand: LayerDemand) -> None:
        if demand.step == 0:
            self._place(demand)
        context, layer = self.context, demand.layer
        on_gpu, on_ndp = self._on_gpu[layer], self._on_ndp[layer]
        for expert, tokens in zip(demand.experts, demand.tokens, strict=True):
            if expert in on_gpu:
                self.plan.run(expert, tokens, context.gpu.name, on_gpu[expert])
                continue
            # the prompt itself is computed at full precision; its routing is what chooses the widths
            copy = context.home(layer, expert, self._full) if demand.step == 0 else on_ndp[expert]
            self.plan.run(expert, tokens, context.ndp_of(expert).name, copy)

    def _place(self, demand: LayerDemand) -> None:
        """Steps 3 to 5 of the algorithm for one layer, once the prompt's routing is known."""
        context, layer = self.context, demand.layer
        importance = self.importance(demand)
        ranked = np.argsort(-importance, kind="stable")
        hot, cold = ranked[: len(self._slots[layer])], ranked[len(self._slots[layer]) :]
        for expert, slot in zip(hot.tolist(), self._slots[layer], strict=True):
            home = context.home(layer, expert, self._full)
            self._on_gpu[layer][expert] = self.plan.move(layer, expert, home, slot)
        if self._budget is None:
            self._on_ndp[layer] = {e: context.home(layer, e, self._full) for e in cold.tolist()}
            return
        losses = context.quantization.losses.of_layer(layer, WIDTHS, context.where)[cold]
        bits = self._allocator.allocate(importance[cold], losses, self._budget, context.where)
        for expert, width in zip(cold.tolist(), bits.tolist(), strict=True):
            self._on_ndp[layer][expert] = context.home(layer, expert, self._low[width])

    def importance(self, demand: LayerDemand) -> NDArray[np.float64]:
        """S = alpha * norm(P) + (1 - alpha) * norm(W) [experts], P counts and W summed gate weights.

        The paper does not say which norm; each is divided by its sum over the layer's experts.
        """
        counts = np.zeros(self.context.demand.num_experts)
        weights = np.zeros(self.context.demand.num_experts)
        counts[demand.experts] = demand.tokens
        weights[demand.experts] = demand.gate_weights
        total = max(float(weights.sum()), 1e-30)  # weights may all be 0
        return np.asarray(self._alpha * counts / counts.sum() + (1 - self._alpha) * weights / total)
