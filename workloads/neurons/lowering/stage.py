"""One stage of every layer: the GPU's part and that of the units beside it side by side, merged beside the units."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from moe_cosim.hw_models.formats import FP16
from moe_cosim.workloads.lowering.sheet import Ints, Range
from moe_cosim.workloads.neurons.lowering.scene import ACTIVATIONS, WEIGHTS, Lane, LayerCells, NeuronScene, pairs
from moe_cosim.workloads.neurons.plan import MLP, PROJECTION, QKV, NeuronPlan
from moe_cosim.workloads.programs.program import READ, WRITE

_PURPOSE = ("attention", "attention", "dense ffn")
_KERNELS = (1, 1, 2)
"""On the GPU."""


class Ready(NamedTuple):
    """What says that something is there: [cells] a token and how many signals it has, 0 where there is nothing to wait
    for."""

    token: Ints
    signals: Ints


class Shape(NamedTuple):
    """Of a stage: values of a token into it and out of it, and the weights of one neuron."""

    inner: int
    outer: int
    neuron_weights: int

    @classmethod
    def of(cls, scene: NeuronScene, stage: int) -> Shape:
        model = scene.model
        if stage == PROJECTION:
            return cls(model.heads * model.attention.head_dim, model.hidden, model.hidden)
        block = model.blocks[0 if stage == QKV else 1]
        return cls(model.hidden, block.products[0] if stage == QKV else model.hidden, sum(block.products))


class Stage:
    """Events of one stage of all `cells`, which begin when `into` is there and say `out` when their result is."""

    def __init__(
        self, scene: NeuronScene, plan: NeuronPlan, cells: LayerCells, stage: int, into: Ready, out: Ints
    ) -> None:
        self._scene, self._cells, self._stage, self._into, self._out = scene, cells, stage, into, out
        self._shape = Shape.of(scene, stage)
        self._gpu_neurons = plan.gpu_neurons[:, :, stage].reshape(-1)
        self._near_neurons = plan.near_neurons[:, :, stage].reshape(len(cells), -1)
        self._products = plan.near_products[:, :, stage].reshape(len(cells), -1)
        self._has_gpu = np.asarray(self._gpu_neurons > 0)
        self._has_near = np.asarray(self._near_neurons.any(axis=1))

    def lower(self, gpu_waits: Ready | None = None, near_waits: Ready | None = None, then: Then | None = None) -> Ready:
        """Returns what says that the result is there. `gpu_waits`, `near_waits`: copies that must have come before the
        sides' kernels. `then` adds what a unit does with its slice, which then need not be whole beside every unit."""
        merges = self._has_near | (then is not None)
        arrived = np.where(merges, self._scene.sheet.new_tokens(len(self._cells)), self._out)
        self._gpu_side(arrived, gpu_waits)
        self._merge(arrived, self._near_side(near_waits), then)
        return Ready(self._out, np.where(merges, len(self._scene.near), 1))

    def _gpu_side(self, arrived: Ints, waits: Ready | None) -> None:
        """Input to the GPU, its kernel, its result back: slices, or the whole where nobody has another part of it."""
        scene, shape, cells, lane = self._scene, self._shape, self._cells.where(self._has_gpu), self._scene.activations
        asked, computed = (scene.sheet.new_tokens(len(self._cells)) for _ in range(2))
        self._wait(lane, cells, self._into)
        each = -(-scene.row_bytes * shape.inner // len(scene.near))
        scene.copy(lane, cells, "dispatch", pairs(scene, each, ACTIVATIONS, to_gpu=True), scene.sync_ps)
        scene.signal(lane, cells, asked[cells.index])
        scene.wait(scene.gpu, cells, asked[cells.index], 1)
        self._wait(scene.gpu, cells, waits)
        setup = _KERNELS[self._stage] * scene.gpu_model.launch_ps
        scene.stream(scene.gpu, cells, _PURPOSE[self._stage], setup, self._gpu_ps(cells), self._gpu_ranges(cells))
        scene.signal(scene.gpu, cells, computed[cells.index])
        scene.wait(lane, cells, computed[cells.index], 1)
        whole = scene.row_bytes * shape.outer
        sliced = self._has_near[cells.index] | (self._stage == QKV)
        size = np.where(sliced, -(-whole // len(scene.near)), whole)
        scene.copy(lane, cells, "dispatch", pairs(scene, size, ACTIVATIONS, to_gpu=False), scene.sync_ps)
        scene.signal(lane, cells, arrived[cells.index])

    def _near_side(self, waits: Ready | None) -> Ints:
        """The units' kernels. Returns tokens [units, cells] of what says that each has the others' parts of its
        slice."""
        scene, shape, cells = self._scene, self._shape, self._cells.where(self._has_near)
        computed = scene.sheet.new_tokens(len(self._cells))
        row = FP16.bytes_of(shape.neuron_weights)
        for unit, (lane, model) in enumerate(zip(scene.cores, scene.near_models, strict=True)):
            self._wait(lane, cells, self._into)
            self._wait(lane, cells, waits)
            neurons, products = self._near_neurons[cells.index, unit], self._products[cells.index, unit]
            busy = model.dense_ps(products / np.maximum(neurons, 1), neurons, shape.neuron_weights)
            scratch = int(scene.layout.scratch[unit])
            ranges = (
                Range(scene.layout.weights[cells.layer, unit], neurons * row, READ, WEIGHTS, block_bytes=row),
                Range(scratch, scene.row_bytes * shape.inner, READ, ACTIVATIONS),
                Range(scratch, scene.row_bytes * shape.outer, WRITE, ACTIVATIONS),
            )
            scene.stream(lane, cells, _PURPOSE[self._stage], model.launch_ps, busy, ranges)
            scene.signal(lane, cells, computed[cells.index])
        return self._exchange(cells, computed)

    def _merge(self, arrived: Ints, exchanged: Ints, then: Then | None) -> None:
        """Each unit adds up its slice: its own part, the other units' and the GPU's."""
        scene, near, count = self._scene, self._cells.where(self._has_near), len(self._scene.near)
        ending = self._cells if then is not None else near
        merged = scene.sheet.new_tokens(len(self._cells))
        gathers = scene.links is not None and then is None
        slice_bytes = -(-scene.row_bytes * self._shape.outer // count)
        with_gpu = ending.where(self._has_gpu)
        for unit, (lane, model) in enumerate(zip(scene.cores, scene.near_models, strict=True)):
            scene.wait(lane, with_gpu, arrived[with_gpu.index], 1)
            if scene.links is not None:
                scene.wait(lane, near, exchanged[unit, near.index], 1)
            scratch = int(scene.layout.scratch[unit])
            ranges = (
                Range(scratch, slice_bytes * (count + 1), READ, ACTIVATIONS),
                Range(scratch, slice_bytes, WRITE, ACTIVATIONS),
            )
            scene.stream(lane, near, "combine", model.launch_ps, 0, ranges)
            if then is not None:
                then(unit, lane, ending)
            scene.signal(lane, ending, (merged if gathers else self._out)[ending.index])
        if gathers:
            self._exchange(near, merged, self._out)

    def _exchange(self, cells: LayerCells, done: Ints, shared: Ints | None = None) -> Ints:
        """Every unit's memory gets the slices of a result that the others have, over the links between them, once all
        are `done`. Returns tokens [units, cells]; `shared`: one for all units instead."""
        scene, count = self._scene, len(self._scene.near)
        tokens = scene.sheet.new_tokens(count * len(self._cells)).reshape(count, -1)
        if scene.links is None:
            return tokens
        size = -(-scene.row_bytes * self._shape.outer * (count - 1) // count)
        for unit, lane in enumerate(scene.links):
            scene.wait(lane, cells, done[cells.index], count)
            source, target = (int(scene.layout.scratch[each]) for each in ((unit + 1) % count, unit))
            ranges = Range(source, size, READ, ACTIVATIONS), Range(target, size, WRITE, ACTIVATIONS)
            scene.copy(lane, cells, "combine", ranges)
            scene.signal(lane, cells, (tokens[unit] if shared is None else shared)[cells.index])
        return tokens

    def _wait(self, lane: Lane, cells: LayerCells, what: Ready | None) -> None:
        if what is not None:
            late = cells.where(what.signals > 0)
            self._scene.wait(lane, late, what.token[late.index], what.signals[late.index])

    def _gpu_ps(self, cells: LayerCells) -> Ints:
        scene, shape, neurons = self._scene, self._shape, self._gpu_neurons[cells.index]
        batch, gpu = scene.workload.batch, scene.gpu_model
        out_of = gpu.dense_ps(batch, neurons, shape.outer)
        if self._stage != MLP:
            return out_of
        return np.asarray(gpu.dense_ps(batch, shape.inner, (scene.model.matrices - 1) * neurons) + out_of)

    def _gpu_ranges(self, cells: LayerCells) -> tuple[Range, ...]:
        scene, shape, layout = self._scene, self._shape, self._scene.layout
        row = FP16.bytes_of(shape.neuron_weights)
        at = layout.projection[cells.layer] if self._stage == PROJECTION else layout.hot
        return (
            Range(at, self._gpu_neurons[cells.index] * row, READ, WEIGHTS, block_bytes=row),
            Range(layout.gpu_scratch, scene.row_bytes * shape.inner, READ, ACTIVATIONS),
            Range(layout.gpu_scratch, scene.row_bytes * shape.outer, WRITE, ACTIVATIONS),
        )


Then = Callable[[int, Lane, LayerCells], None]
"""What a unit, by number and lane, does behind the merging of its slice."""
