"""The prompt: all of it on the GPU, through which the weights stream layer by layer, as offloading systems do."""

from __future__ import annotations

import numpy as np

from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.lowering.sheet import Range
from moe_cosim.workloads.neurons.layout import STAGED_LAYERS
from moe_cosim.workloads.neurons.lowering.scene import ACTIVATIONS, KV, WEIGHTS, LayerCells, NeuronScene, at
from moe_cosim.workloads.neurons.plan import Placement
from moe_cosim.workloads.programs.program import READ, WRITE

_KERNELS = 4
"""Of a layer: into attention, attention, projection, feed-forward."""


def lower_prefill(scene: NeuronScene, placement: Placement) -> None:
    """Weights of a layer arrive while the one before it is computed; keys and values go to beside the units; then hot
    neurons are loaded."""
    model, work, layout = scene.model, scene.workload, scene.layout
    rows, layers = work.batch * work.prompt_tokens, model.layers
    cells, first = LayerCells.all_of(range(1), layers), at(np.zeros(1, np.int64), -1)
    arrived, done = scene.sheet.new_tokens(layers), scene.sheet.new_tokens(layers)
    streams, stored = scene.prefetch, scene.activations
    hidden = Range(layout.gpu_scratch, ACTIVATION_BYTES * model.hidden * rows, READ, ACTIVATIONS)
    table = min(ACTIVATION_BYTES * model.hidden * rows, model.table_bytes)
    embedding = Range(layout.embedding, table, READ, WEIGHTS, block_bytes=ACTIVATION_BYTES * model.hidden)
    scene.stream(scene.gpu, first, "embedding", scene.gpu_model.launch_ps, 0, (embedding, hidden._replace(op=WRITE)))

    later = cells.where(cells.layer >= STAGED_LAYERS)
    scene.wait(streams, later, done[later.layer - STAGED_LAYERS], 1)
    staged = layout.hot + cells.layer % STAGED_LAYERS * (layout.hot_bytes // STAGED_LAYERS)
    scene.copy(streams, cells, "move weights", _from_beside(scene, cells, placement.streamed_bytes, staged))
    scene.signal(streams, cells, arrived)

    scene.wait(scene.gpu, cells, arrived, 1)
    read = model.layer_bytes - model.projection_bytes
    ranges = (
        Range(staged, read, READ, WEIGHTS),
        Range(layout.projection[cells.layer], model.projection_bytes, READ, WEIGHTS),
        hidden,
        hidden._replace(op=WRITE),
    )
    scene.stream(scene.gpu, cells, "dense ffn", _KERNELS * scene.gpu_model.launch_ps, _layer_ps(scene, rows), ranges)
    scene.signal(scene.gpu, cells, done)

    scene.wait(stored, cells, done, 1)
    scene.copy(stored, cells, "attention", _keys(scene, cells, work.batch * work.prompt_tokens))

    last = at(np.zeros(1, np.int64), layers)
    finished = scene.sheet.new_tokens(2)
    head = (Range(layout.head, model.table_bytes, READ, WEIGHTS),)
    busy = scene.gpu_model.dense_ps(work.batch, model.hidden, model.vocab)
    scene.stream(scene.gpu, last, "head", scene.gpu_model.launch_ps, int(busy), head)
    scene.signal(scene.gpu, last, finished[:1])
    scene.wait(streams, last, finished[:1], 1)
    loaded = int(placement.loaded_bytes.sum())
    scene.copy(streams, last, "move weights", _from_beside(scene, last, np.array([loaded]), np.array([layout.hot])))
    scene.signal(streams, last, finished[1:])
    scene.wait(scene.gpu, last, finished[1:], 1)


def _layer_ps(scene: NeuronScene, rows: int) -> int:
    """The kernels of a layer, every neuron of it for every token."""
    model, work, gpu = scene.model, scene.workload, scene.gpu_model
    attention = model.attention
    products = (*attention.projections(model.hidden), (model.hidden, (model.matrices - 1) * model.intermediate))
    products = (*products, (model.intermediate, model.hidden))
    dense = sum(int(gpu.dense_ps(rows, inner, columns)) for inner, columns in products)
    # causal: half of the prompt on average
    return dense + int(gpu.attention_ps(work.batch, work.prompt_tokens, work.prompt_tokens / 2, attention.prompt_core))


def _from_beside(scene: NeuronScene, cells: LayerCells, size: np.ndarray, target: np.ndarray) -> tuple[Range, ...]:
    """Pairs: `size` [cells] bytes, dealt over the units, to `target` [cells] in the GPU's memory."""
    count, ranges = len(scene.near), []
    layer = np.clip(cells.layer, 0, scene.model.layers - 1)
    for unit in range(count):
        each = size[np.minimum(layer, len(size) - 1)] // count
        ranges.append(Range(scene.layout.weights[layer, unit], each, READ, WEIGHTS))
        ranges.append(Range(target + unit * each, each, WRITE, WEIGHTS))
    return tuple(ranges)


def _keys(scene: NeuronScene, cells: LayerCells, tokens: int) -> tuple[Range, ...]:
    """Pairs: keys and values of so many tokens from the GPU to beside the units, each its heads."""
    count, ranges = len(scene.near), []
    each = -(-scene.model.kv_bytes_per_token * tokens // count)
    for unit in range(count):
        ranges.append(Range(scene.layout.gpu_scratch, each, READ, KV))
        ranges.append(Range(scene.layout.kv[cells.layer, unit], each, WRITE, KV))
    return tuple(ranges)
