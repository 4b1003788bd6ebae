"""TriMoE (DAC 2026, arXiv 2603.01058): hot experts on the GPU, warm ones on the CPU, cold ones near the data.

Every decode layer is scheduled on its own (`schedule`) by the paper's cost model
(`costs`). An exponential average of each expert's tokens predicts the next step; in the shadow
of attention experts change their layout by it (`layout`): hot ones are fetched to the GPU, warm
ones striped over all modules so that the CPU reads them at full rate, cold ones localized in one
module, and cold ones moved from the busiest module to the idlest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.options import option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.plan import Copy
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.near_data.trimoe.costs import CHANNELS, CPU, GPU, trimoe_costs
from moe_cosim.workloads.policies.near_data.trimoe.layout import (
    WINDOW,
    Changes,
    Homes,
    Shadow,
    choose_changes,
    choose_striped,
)
from moe_cosim.workloads.policies.parts.gpu_prefill import GpuExpertsOptions, GpuPrefillPolicy

EMA_WEIGHT = 0.3
"""EMA <- 0.3 F + 0.7 EMA (arXiv 2603.01058)."""


class TriMoeOptions(GpuExpertsOptions):
    cpu: bool = option(True, "the CPU computes experts too")
    refine: bool = option(True, "bottleneck-aware refinement of the schedule")
    relayout: bool = option(
        True, "prediction-driven changes of layout during decode; else the layout that the prefill's counts suggest"
    )


@policies.register("trimoe")
class TriMoe(GpuPrefillPolicy):
    """Its parts can be switched off, as the paper's ablation does."""

    summary = "hot experts on GPU, warm on AMX CPU, cold near the data; layouts follow a predictor (DAC 2026)"
    homes = ("near-data",)
    options_class = TriMoeOptions
    assumptions = (CHANNELS, WINDOW)
    options: TriMoeOptions

    def prepare(self) -> None:
        context = self.context
        self._with_cpu = self.options.cpu
        self._cpu = ""
        if self._with_cpu:
            self._cpu = context.require_cpu("trimoe").name
        self._refine, self._relayout = self.options.refine, self.options.relayout
        weight_format = context.quantization.expert_format
        layers, experts = context.demand.layers, context.demand.num_experts
        self._homes = Homes(context, weight_format)
        self.take_gpu(weight_format, self.options.gpu_experts)
        self._costs = trimoe_costs(context, weight_format)
        self._predicted = np.zeros((layers, experts))
        self._shadow = Shadow.of(context)
        self._span = np.zeros(layers)
        """Makespan of each layer's experts, the last time."""
        self._decided = self._right = 0

    def home(self, layer: int, expert: int) -> Copy:
        return self._homes.copy(layer, expert)

    def plan_prefill(self, demand: LayerDemand) -> None:
        super().plan_prefill(demand)
        layer = demand.layer
        per_step = self.context.workload.batch / max(sum(demand.tokens) / self.context.demand.top_k, 1)
        self._predicted[layer, demand.experts] = np.array(demand.tokens) * per_step
        if not self._with_cpu:
            return
        off_gpu = self._off_gpu(layer)
        for expert in choose_striped(self._costs, self._predicted[layer], off_gpu, len(self._homes.modules)):
            self._homes.stripe(layer, expert, early=False)
        self._homes.end_of_layer()

    def plan_decode(self, demand: LayerDemand) -> None:
        layer = demand.layer
        changes = self._change_layout(layer) if self._relayout else Changes()
        self._run(demand)
        counts = np.zeros(self.context.demand.num_experts)
        counts[demand.experts] = demand.tokens
        if self._relayout:
            self._judge(changes, counts)
        self._predicted[layer] += EMA_WEIGHT * (counts - self._predicted[layer])

    def _off_gpu(self, layer: int) -> NDArray[np.bool_]:
        found = np.ones(self.context.demand.num_experts, dtype=bool)
        found[list(self.hot[layer])] = False
        return found

    def _run(self, demand: LayerDemand) -> None:
        from moe_cosim.workloads.policies.near_data.trimoe.schedule import schedule  # compiled: Numba is slow to import

        layer, hot, gpu = demand.layer, self.hot[demand.layer], self.context.gpu.name
        experts, tokens = np.array(demand.experts), np.array(demand.tokens)
        hit = np.zeros(self.context.demand.num_experts, dtype=bool)
        hit[list(hot)] = True
        place = self._homes.place[layer, experts]
        costs, drain, delay = self._costs.of(tokens, hit[experts], place, self._with_cpu)
        path = np.empty(len(experts), dtype=np.int64)
        self._span[layer] = schedule(costs, place, drain, delay, len(self._homes.modules), self._refine, path)
        # the longest first: it is what the others then fill up beside
        order = np.argsort(-costs[np.arange(len(path)), path], kind="stable")
        off_gpu = order[path[order] != GPU]
        modules = self._homes.modules
        where = zip(path[off_gpu].tolist(), place[off_gpu].tolist(), strict=True)
        units = [self._cpu if chosen == CPU else modules[module] for chosen, module in where]
        addresses, moves = self._homes.copies(layer, experts[off_gpu])
        self.plan.run_rows(
            demand.step,
            layer,
            experts[off_gpu],
            tokens[off_gpu],
            np.array([self.plan.unit_index(unit) for unit in units], dtype=np.int64),
            self._homes.format_index,
            addresses,
            moves,
        )
        for index in order[path[order] == GPU].tolist():
            expert, count = demand.experts[index], demand.tokens[index]
            if expert in hot:
                self.plan.run(expert, count, gpu, hot[expert])
            else:
                self.run_staged(layer, expert, count)

    def _judge(self, changes: Changes, counts: NDArray[np.float64]) -> None:
        """Was each migration right about the step it was made for? A fetched expert: at least as many
        tokens as the one it replaced; a striped one: enough for the CPU, by the predicted border; one
        that went back to a module: not enough."""
        verdicts = [counts[expert] >= counts[victim] for victim, expert in changes.to_gpu]
        verdicts += [counts[expert] >= changes.border for expert in changes.to_stripes]
        verdicts += [counts[expert] <= changes.border for expert in changes.back]
        self._decided += len(verdicts)
        self._right += int(sum(verdicts))

    def report(self) -> dict[str, float]:
        layers = self.context.demand.layers * max(self.context.workload.decode_steps, 1)
        found = {"migrations per layer": self._decided / layers}
        return found | ({"predictor accuracy": self._right / self._decided} if self._decided else {})

    def _change_layout(self, layer: int) -> Changes:
        """Moves that the layer's attention hides, by the prediction."""
        hot, homes, off_gpu = self.hot[layer], self._homes, self._off_gpu(layer)
        shadow = self._shadow.with_experts(float(self._span[layer]))
        changes = choose_changes(
            self._costs, self._predicted[layer], homes.place[layer], off_gpu, shadow, self._with_cpu
        )
        for victim, expert in changes.to_gpu:
            slot = hot.pop(victim).address
            hot[expert] = self.plan.move(layer, expert, self.home(layer, expert), slot, prefetch=True, early=True)
        for expert in changes.to_stripes:
            homes.stripe(layer, expert, early=True)
        for expert, module in changes.to_module:
            homes.localize(layer, expert, module, early=True)
        homes.end_of_layer()
        return changes
