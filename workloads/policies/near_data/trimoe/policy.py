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
from moe_cosim.workloads.demand import DemandRows
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
from moe_cosim.workloads.policies.parts.cells import each_cell, reordered
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
        self._cpu = self.plan.unit_index(context.require_cpu("trimoe").name) if self._with_cpu else -1
        self._refine, self._relayout = self.options.refine, self.options.relayout
        weight_format = context.quantization.expert_format
        layers, experts = context.demand.layers, context.demand.num_experts
        self._homes = Homes(context, weight_format)
        self._modules = np.array([self.plan.unit_index(unit.name) for unit in context.ndps])
        self.take_gpu(self._homes.address, weight_format, -1, self.options.gpu_experts)
        self._costs = trimoe_costs(context, weight_format)
        self._predicted = np.zeros((layers, experts))
        self._shadow = Shadow.of(context)
        self._span = np.zeros(layers)
        """Makespan of each layer's experts, the last time."""
        self._decided = self._right = 0

    def plan_prefill(self, rows: DemandRows) -> None:
        for cell in each_cell(rows):
            super().plan_prefill(cell)
            layer = int(cell.layer[0])
            per_step = self.context.workload.batch / max(int(cell.tokens.sum()) / self.context.demand.top_k, 1)
            self._predicted[layer, cell.expert] = cell.tokens * per_step
            if not self._with_cpu:
                continue
            self.plan.at(0, layer)
            off_gpu = ~self.hot[layer]
            for expert in choose_striped(self._costs, self._predicted[layer], off_gpu, len(self._modules)):
                self._homes.stripe(layer, expert, early=False)
            self._homes.end_of_layer()

    def plan_decode(self, rows: DemandRows) -> None:
        for cell in each_cell(rows):
            layer = int(cell.layer[0])
            self.plan.at(int(cell.step[0]), layer)
            changes = self._change_layout(layer) if self._relayout else Changes()
            self._run(layer, cell)
            counts = np.zeros(self.context.demand.num_experts)
            counts[cell.expert] = cell.tokens
            if self._relayout:
                self._judge(changes, counts)
            self._predicted[layer] += EMA_WEIGHT * (counts - self._predicted[layer])

    def _run(self, layer: int, cell: DemandRows) -> None:
        from moe_cosim.workloads.policies.near_data.trimoe.schedule import schedule  # compiled: Numba is slow to import

        experts = cell.expert
        hit = self.hot[layer, experts]
        place = self._homes.place[layer, experts]
        costs, drain, delay = self._costs.of(cell.tokens, hit, place, self._with_cpu)
        path = np.empty(len(experts), dtype=np.int64)
        self._span[layer] = schedule(costs, place, drain, delay, len(self._modules), self._refine, path)
        # the longest first: it is what the others then fill up beside; the GPU's after all others
        order = np.lexsort((-costs[np.arange(len(path)), path], path == GPU))
        on_gpu = path == GPU
        unit = np.where(on_gpu, self.gpu, np.where(path == CPU, self._cpu, self._modules[place]))
        there = hit & on_gpu
        address, move = (
            np.where(there, gpu_column[layer, experts], home_column[layer, experts])
            for gpu_column, home_column in (
                (self.copies.address, self._homes.address),
                (self.copies.move, self._homes.move),
            )
        )
        passing = on_gpu & ~hit
        self.run_from(reordered(cell, order), passing[order], unit[order], address[order], move[order])

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
        hot, homes = self.hot[layer], self._homes
        shadow = self._shadow.with_experts(float(self._span[layer]))
        changes = choose_changes(self._costs, self._predicted[layer], homes.place[layer], ~hot, shadow, self._with_cpu)
        for victim, expert in changes.to_gpu:
            slot = int(self.copies.address[layer, victim])
            copy = self.plan.move(layer, expert, homes.copy(layer, expert), slot, prefetch=True, early=True)
            self.copies.put(layer, expert, self.gpu, copy.format, slot, copy.move)
            hot[victim], hot[expert] = False, True
        for expert in changes.to_stripes:
            homes.stripe(layer, expert, early=True)
        for expert, module in changes.to_module:
            homes.localize(layer, expert, module, early=True)
        homes.end_of_layer()
        return changes
