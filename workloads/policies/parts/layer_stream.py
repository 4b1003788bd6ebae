"""Shared by systems that load a layer's experts while the layer before it runs, whoever is asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.block_policy import BlockPolicy
from moe_cosim.workloads.policies.parts.cells import each_cell
from moe_cosim.workloads.policies.parts.copies import Copies

I64 = NDArray[np.int64]


class LayerStreamPolicy(BlockPolicy):
    """Every layer has experts that stay in the GPU's memory, experts that stay outside (where a CPU may run them), and
    experts that are loaded for every step: all of them, into one of two buffers that the layers take in turn, from when
    the layer before begins (where attention is a layer of its own, from when that begins). With batches so large that
    every expert is asked for, no load is in vain.

    Subclasses call `take_layers` in `prepare`.
    """

    def take_layers(
        self,
        weight_format: WeightFormat,
        held: NDArray[np.bool_],
        on_cpu: NDArray[np.bool_] | None = None,
        prompt_on_cpu: NDArray[np.bool_] | None = None,
    ) -> None:
        """Places for the experts that are `held` [layers, experts] in the GPU's memory, and for those that the CPU
        runs (of a prompt other ones, where `prompt_on_cpu` says so); all others are loaded. Raises `InputError` where
        they do not fit."""
        context = self.context
        self._gpu = self._cpu = self.plan.unit_index(context.gpu.name)
        if on_cpu is None:
            on_cpu = np.zeros_like(held)
        else:
            self._cpu = self.plan.unit_index(context.require_cpu("with experts on the CPU").name)
        if prompt_on_cpu is None:
            prompt_on_cpu = on_cpu
        self._format = self.plan.format_index(weight_format)
        self._on_cpu = prompt_on_cpu, on_cpu
        self._loaded = ~held & ~prompt_on_cpu, ~held & ~on_cpu
        most = int(max(loaded.sum(axis=1).max(initial=0) for loaded in self._loaded))
        on_gpu = np.full(held.shape, -1, dtype=np.int64)
        on_gpu[held] = context.gpu_slots("experts on the GPU", weight_format, int(held.sum()))
        self._buffers = np.array(context.gpu_slots("experts in turn", weight_format, 2 * most)).reshape(2, most)
        self.plan.reside(weight_format, on_gpu)
        homes = context.keep_some(weight_format, ~held)
        self._homes = homes
        self.copies = Copies(np.where(held, on_gpu, homes), self._format, self._gpu)
        self._cells = 0
        """Planned so far."""

    def plan_decode(self, rows: DemandRows) -> None:
        for cell in each_cell(rows):
            if len(cell.expert):
                self._plan_cell(cell)

    def _plan_cell(self, cell: DemandRows) -> None:
        step, layer, demand = int(cell.step[0]), int(cell.layer[0]), self.context.demand
        apart = self.context.batching.attention_apart
        if apart or not self._cells:
            self._load(step, layer, layer, self._cells, step)
        self._cells += 1
        stays = np.flatnonzero(self._on_cpu[min(step, 1)][layer])
        self.copies.put(layer, stays, self._cpu, self._format, self._homes[layer, stays], -1)
        after = step * demand.layers + layer + 1
        self.copies.run(self.plan, cell)
        if not apart and after < demand.steps * demand.layers:
            self._load(step, layer, after % demand.layers, self._cells, after // demand.layers)

    def _load(self, step: int, layer: int, of_layer: int, turn: int, of_step: int = 0) -> None:
        """Move all loaded experts of `of_layer` of `of_step` while `layer` runs."""
        expert = np.flatnonzero(self._loaded[min(of_step, 1)][of_layer])
        if not len(expert):
            return
        target = self._buffers[turn % 2, : len(expert)]
        source = self._homes[of_layer, expert]
        first = self.plan.move_rows(step, layer, of_layer, expert, self._format, source, target, early=True)
        self.copies.put(of_layer, expert, self._gpu, self._format, target, first + np.arange(len(expert)))
