"""Decode steps: each layer's stages with attention between them, and what moves while the GPU projects."""

from __future__ import annotations

import numpy as np

from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.lowering.sheet import Ints, Range
from moe_cosim.workloads.neurons.lowering.scene import (
    ACTIVATIONS,
    KV,
    WEIGHTS,
    Lane,
    LayerCells,
    NeuronScene,
    at,
    pairs,
)
from moe_cosim.workloads.neurons.lowering.stage import Ready, Stage
from moe_cosim.workloads.neurons.plan import MLP, PROJECTION, QKV, NeuronPlan
from moe_cosim.workloads.programs.program import READ, WRITE


def lower_decode(scene: NeuronScene, plan: NeuronPlan) -> None:
    """All steps of the plan."""
    layers = scene.model.layers
    cells = LayerCells.all_of(plan.steps, layers)
    embedded = _embedding(scene, plan.steps)
    ends = scene.sheet.new_tokens(len(cells))
    merges = plan.near_neurons[:, :, MLP].any(axis=2).reshape(-1)
    mlp_count = np.where(merges, len(scene.near), 1)
    # a layer begins when the one before it has ended, the first when the token is embedded
    begins = Ready(_shifted(ends, embedded, layers), _shifted(mlp_count, np.ones_like(embedded), layers))
    attended, projected = (scene.sheet.new_tokens(len(cells)) for _ in range(2))

    def attend(unit: int, lane: Lane, of: LayerCells) -> None:
        _attention(scene, unit, lane, of)

    into = Stage(scene, plan, cells, QKV, begins, attended).lower(then=attend)
    swapped, moved = _moves(scene, plan, cells, into)
    into = Stage(scene, plan, cells, PROJECTION, into, projected).lower()
    ended = Stage(scene, plan, cells, MLP, into, ends).lower(gpu_waits=swapped, near_waits=moved)
    _head(scene, plan.steps, ended, layers)


def _shifted(of_layer: Ints, first: Ints, layers: int) -> Ints:
    """[cells] what `of_layer` says of the layer before; `first` [steps] of the first."""
    found = np.roll(of_layer, 1)
    found[::layers] = first
    return found


def _embedding(scene: NeuronScene, steps: range) -> Ints:
    """A row of the table per sequence, given to every unit. Returns tokens [steps]."""
    model, layout = scene.model, scene.layout
    step = np.arange(steps.start, steps.stop)
    cells = at(step, -1)
    made, given = (scene.sheet.new_tokens(len(step)) for _ in range(2))
    row = ACTIVATION_BYTES * model.hidden
    size = min(scene.row_bytes * model.hidden, model.table_bytes)
    ranges = (
        Range(layout.embedding, size, READ, WEIGHTS, block_bytes=row),
        Range(layout.gpu_scratch, scene.row_bytes * model.hidden, WRITE, ACTIVATIONS),
    )
    scene.stream(scene.gpu, cells, "embedding", scene.gpu_model.launch_ps, 0, ranges)
    scene.signal(scene.gpu, cells, made)
    lane = scene.activations
    scene.wait(lane, cells, made, 1)
    whole = scene.row_bytes * model.hidden
    scene.copy(lane, cells, "dispatch", pairs(scene, whole, ACTIVATIONS, to_gpu=False), scene.sync_ps)
    scene.signal(lane, cells, given)
    return given


def _attention(scene: NeuronScene, unit: int, lane: Lane, cells: LayerCells) -> None:
    """A unit's share of the heads: keys and values of the token are kept, those of all before it read."""
    work, model = scene.workload, scene.near_models[unit]
    attention, count = scene.model.attention, len(scene.near)
    seen = work.decode_context + cells.step
    each = -(-scene.model.kv_bytes_per_token * work.batch // count)
    start = scene.layout.kv[cells.layer, unit]
    heads = model.attention_ps(work.batch, 1, seen, attention.core)
    values = -(-scene.row_bytes * scene.model.heads * attention.head_dim // count)
    ranges = (
        Range(start, each * (seen - 1), READ, KV),
        Range(start + each * (seen - 1), each, WRITE, KV),
        Range(int(scene.layout.scratch[unit]), values, WRITE, ACTIVATIONS),
    )
    scene.stream(lane, cells, "attention", model.launch_ps, -(-heads // count), ranges)


def _moves(scene: NeuronScene, plan: NeuronPlan, cells: LayerCells, begin: Ready) -> tuple[Ready, Ready]:
    """Copies that are made while the GPU projects: neurons that became hot to the GPU, others between the units. What
    says that they have come, to those that compute with them next."""
    count = len(scene.near)
    swaps = plan.swapped_bytes.reshape(len(cells), count)
    moves = plan.moved_bytes.reshape(len(cells), count, count)
    swapped, moved = (scene.sheet.new_tokens(len(cells)) for _ in range(2))
    some, lane = cells.where(np.asarray(swaps.any(axis=1))), scene.weights
    scene.wait(lane, some, begin.token[some.index], begin.signals[some.index])
    ranges: list[Range] = []
    for unit in range(count):
        size = swaps[some.index, unit]
        ranges.append(Range(scene.layout.weights[some.layer, unit], size, READ, WEIGHTS))
        ranges.append(Range(scene.layout.hot, size, WRITE, WEIGHTS))
    scene.copy(lane, some, "move weights", tuple(ranges))
    scene.signal(lane, some, swapped[some.index])

    senders = np.zeros(len(cells), np.int64)
    for source in range(count if scene.links is not None else 0):
        assert scene.links is not None
        for target in range(count):
            size = moves[:, source, target]
            pair, lane = cells.where(size > 0), scene.links[source]
            scene.wait(lane, pair, begin.token[pair.index], begin.signals[pair.index])
            places = (scene.layout.weights[pair.layer, each] for each in (source, target))
            taken = size[pair.index]
            ends = [Range(place, taken, op, WEIGHTS) for place, op in zip(places, (READ, WRITE), strict=True)]
            scene.copy(lane, pair, "move weights", tuple(ends))
            scene.signal(lane, pair, moved[pair.index])
            senders[pair.index] += 1
    return Ready(swapped, np.asarray(swaps.any(axis=1)).astype(np.int64)), Ready(moved, senders)


def _head(scene: NeuronScene, steps: range, ended: Ready, layers: int) -> None:
    """The last layer's result goes to the GPU, which has the tables."""
    model, layout = scene.model, scene.layout
    step = np.arange(steps.start, steps.stop)
    cells, last = at(step, layers), np.arange(len(step)) * layers + layers - 1
    came, lane = scene.sheet.new_tokens(len(step)), scene.activations
    scene.wait(lane, cells, ended.token[last], ended.signals[last])
    each = -(-scene.row_bytes * model.hidden // len(scene.near))
    scene.copy(lane, cells, "dispatch", pairs(scene, each, ACTIVATIONS, to_gpu=True), scene.sync_ps)
    scene.signal(lane, cells, came)
    scene.wait(scene.gpu, cells, came, 1)
    busy = int(scene.gpu_model.dense_ps(scene.workload.batch, model.hidden, model.vocab))
    ranges = (Range(layout.head, model.table_bytes, READ, WEIGHTS),)
    scene.stream(scene.gpu, cells, "head", scene.gpu_model.launch_ps, busy, ranges)
