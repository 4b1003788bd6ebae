"""TriMoE (DAC 2026, arXiv 2603.01058): hot experts on the GPU, warm ones on the CPU, cold ones near the data.

Every decode layer is scheduled on its own (`schedule`) by the paper's cost model
(`costs`). An exponential average of each expert's tokens predicts the next step; in the shadow
of attention experts change their layout by it (`layout`): hot ones are fetched to the GPU, warm
ones striped over all modules so that the CPU reads them at full rate, cold ones localized in one
module, and cold ones moved from the busiest module to the idlest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from moe_cosim.options import option
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.near_data.trimoe.costs import CHANNELS, CPU, GPU, trimoe_costs
from moe_cosim.workloads.policies.near_data.trimoe.layout import WINDOW, Homes, Shadow, forecast
from moe_cosim.workloads.policies.parts.cells import cell_of, each_cell, each_step, order_in_cells, reordered
from moe_cosim.workloads.policies.parts.gpu_prefill import GpuExpertsOptions, GpuPrefillPolicy
from moe_cosim.workloads.policies.parts.moves import move_by_cell

if TYPE_CHECKING:  # compiled: Numba is slow to import
    from moe_cosim.workloads.policies.near_data.trimoe.changes import Forecast, Moved

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

EMA_WEIGHT = 0.3
"""EMA <- 0.3 F + 0.7 EMA (arXiv 2603.01058)."""


class TriMoeOptions(GpuExpertsOptions):
    """Parts of the system, to be turned off one by one."""

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
    cost_model = "trimoe"
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
        self._places = self._homes.places(self.hot, self.copies.address)
        self._costs = trimoe_costs(context, weight_format)
        self._predicted = np.zeros((layers, experts))
        self._shadow = Shadow.of(context)
        self._span = np.zeros(layers)
        """Makespan of each layer's experts, the last time."""
        self._decided = self._right = 0

    def plan_prefill(self, rows: DemandRows) -> None:
        from moe_cosim.workloads.policies.near_data.trimoe.changes import Moved, stripe_warm

        for cell in each_cell(rows):  # a layer's copies into stripes follow its fetches
            super().plan_prefill(cell)
            layer = cell.layer[:1].astype(np.int64)
            per_step = self.context.workload.tokens_per_step / max(
                int(cell.tokens.sum()) / self.context.demand.top_k, 1
            )
            self._predicted[layer, cell.expert] = cell.tokens * per_step
            if self._with_cpu:
                ahead = self._forecast(layer, np.full(1, len(self._modules)))
                moved = Moved.room_for(self.context.demand.num_experts)
                stripe_warm(ahead, self._places, self._costs.drain[0], moved)
                moves, expert = moved.counts[0], moved.expert[: moved.counts[0]]
                places = (moved.source[:moves], moved.target[:moves])
                first = self.plan.move_rows(0, layer, layer, expert, self.weight_format, *places)
                self._homes.move[layer, expert] = first + np.arange(moves)

    def plan_decode(self, rows: DemandRows) -> None:
        for step in each_step(rows):
            layer = step.layer[step.starts[:-1]].astype(np.int64)
            counts = np.zeros((len(layer), self.context.demand.num_experts))
            counts[cell_of(step), step.expert] = step.tokens
            moved = self._change_layouts(layer, counts)
            self._run(step, layer, moved, self._schedule(step, layer))
            self._predicted[layer] += EMA_WEIGHT * (counts - self._predicted[layer])

    def _forecast(self, layer: I64, modules: I64) -> Forecast:
        return forecast(self._costs, self._predicted[layer], layer, self.hot, modules)

    def _change_layouts(self, layer: I64, counts: F64) -> Moved:
        """Moves that the attention hides, by the prediction; judged by the tokens [layers, experts] that come."""
        from moe_cosim.workloads.policies.near_data.trimoe.changes import Moved, Shadows, change_layouts

        experts, modules = counts.shape[1], len(self._modules)
        if not self._relayout:
            return Moved.room_for(0)
        moved = Moved.room_for(2 * counts.size)
        shadows = Shadows(
            self._shadow.link_ps,
            self._shadow.ports_ps(self._span[layer]),
            *self._costs.fetch_ps,
            self._costs.relayout_ps,
            self._costs.drain[0],
            self._with_cpu,
        )
        ahead = self._forecast(layer, self._places.place[layer].max(axis=1, initial=0) + 1)
        scratch = np.empty((7, experts), np.int64), np.empty(modules), np.empty(modules)
        change_layouts(ahead, self._places, shadows, counts, *scratch, moved)
        self._decided += int(moved.counts[1])
        self._right += int(moved.counts[2])
        return moved

    def _schedule(self, rows: DemandRows, layer: I64) -> tuple[I64, F64]:
        """[rows] path of each, and what it costs there."""
        from moe_cosim.workloads.policies.near_data.trimoe.schedule import schedule_layers

        at = rows.layer, rows.expert
        hit, place = self.hot[at], self._places.place[at]
        costs, drain, delay = self._costs.of(rows.tokens, hit, place, self._with_cpu)
        path, span = np.empty(len(place), dtype=np.int64), np.empty(len(layer))
        schedule_layers(costs, place, drain, delay, rows.starts, len(self._modules), self._refine, path, span)
        self._span[layer] = span
        return path, costs[np.arange(len(path)), path]

    def _run(self, rows: DemandRows, layer: I64, moved: Moved, scheduled: tuple[I64, F64]) -> None:
        """The longest first: it is what the others then fill up beside; the GPU's after all others."""
        path, cost = scheduled
        order = order_in_cells(rows, path == GPU, -cost)
        rows, path = reordered(rows, order), path[order]
        at = rows.layer, rows.expert
        on_gpu, hit, homes = path == GPU, self.hot[at], self._homes
        unit = np.where(on_gpu, self.gpu, np.where(path == CPU, self._cpu, self._modules[self._places.place[at]]))
        passing = np.flatnonzero(on_gpu & ~hit)
        fetched = self._move(rows, layer, moved, passing)
        there = hit & on_gpu
        address = np.where(there, self.copies.address[at], homes.address[at])
        move = np.where(there, self.copies.move[at], homes.move[at])
        address[passing], move[passing] = fetched
        columns = (unit, self.weight_format, address, move)
        self.plan.run_rows(rows.step, rows.layer, rows.expert, rows.tokens, *columns)

    def _move(self, rows: DemandRows, layer: I64, moved: Moved, passing: I64) -> tuple[I64, I64]:
        """The early moves of each layer, then those of the rows `passing` through the ring: their targets and moves."""
        count = int(moved.counts[0])
        cell, expert, to_gpu = moved.cell[:count], moved.expert[:count], moved.to_gpu[:count]
        target, prefetch, after_run = self.ring.turns(self.plan.next_run + passing)
        through, of_layer = rows.expert[passing], rows.layer[passing]
        early, ring = np.ones(count, np.int64), np.zeros_like(passing)
        changed, fetched = move_by_cell(
            self.plan,
            (cell, cell_of(rows)[passing]),
            (rows.step[:1].repeat(count), rows.step[passing]),
            (layer[cell], of_layer),
            (layer[cell], of_layer),
            (expert, through),
            (self.weight_format * early, self.weight_format + ring),
            (moved.source[:count], self._homes.address[of_layer, through]),
            (moved.target[:count], target),
            (to_gpu, prefetch),
            (-early, after_run),
            (early, ring),
        )
        self.copies.move[layer[cell[to_gpu]], expert[to_gpu]] = changed[to_gpu]
        self._homes.move[layer[cell[~to_gpu]], expert[~to_gpu]] = changed[~to_gpu]
        return target, fetched

    def report(self) -> dict[str, float]:
        layers = self.context.demand.layers * max(self.context.demand.steps - 1, 1)
        found = {"migrations per layer": self._decided / layers}
        return found | ({"predictor accuracy": self._right / self._decided} if self._decided else {})
