"""The part of a step that every token takes, on the GPU: attention, gate, dense layers, head."""

from __future__ import annotations

import numpy as np

from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.near_attention import lower_near_attention, striped_kv
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose, Range
from moe_cosim.workloads.program import COMPUTE, CONTENTS, PURPOSES, READ, STREAM, WRITE

WEIGHTS, ACTIVATIONS, KV = (CONTENTS.index(name) for name in ("weights", "activations", "kv"))


def lower_dense(scene: Scene) -> None:
    """All events of the dense part, for every step and layer at once."""
    layers = scene.model.layers
    step = np.repeat(np.array(scene.steps), layers)
    layer = np.tile(np.arange(layers), len(scene.steps))
    if scene.host_ps_per_layer:
        scene.sheet.add(
            COMPUTE,
            scene.gpu_lane,
            Place(step, layer, slots.HOST),
            Purpose(PURPOSES.index("host")),
            busy_ps=scene.host_ps_per_layer,
        )
    _attention(scene, step, layer)
    sparse = np.isin(layer, scene.model.moe_layers)
    _gate_and_combine(scene, step[sparse], layer[sparse])
    if scene.model.shared_intermediate:
        _feed_forward(scene, step[sparse], layer[sparse], shared=True)
    if not sparse.all():
        _feed_forward(scene, step[~sparse], layer[~sparse], shared=False)
    _embedding_and_head(scene)


def _attention(scene: Scene, step: Ints, layer: Ints) -> None:
    """Projections and scores as one kernel: reads weights and the cache so far, appends to it."""
    model, work, layout = scene.model, scene.workload, scene.layout
    attention = model.attention
    tokens = scene.tokens(step)
    context = np.where(step == 0, work.prompt_tokens, work.decode_context + step)
    seen = attention.attended_tokens(layer, context)
    new_bytes = layout.kv_bytes_per_token * tokens
    # the prompt's own keys and values are used as they are made; a later step reads all before it
    old_bytes = np.where(step == 0, 0, layout.kv_bytes_per_token * work.batch * (seen - 1))
    busy = scene.gpu_model.dense_ps(tokens, model.hidden, attention.projection_weights(model.hidden) / model.hidden)
    # scores against half the prompt on average (causal); in decode they are bound by reading the cache
    scores = scene.gpu_model.dense_ps(tokens, seen / 2, 2 * attention.heads * attention.head_dim)
    activation_bytes = ACTIVATION_BYTES * model.hidden * tokens
    scratch = layout.activations[scene.gpu.local_memory]
    written = np.where(step == 0, 0, layout.kv_bytes_per_token * work.batch * (context - 1))
    if layout.kv_stripes is None:
        at = layout.kv[layer]
        kv = [Range(at, old_bytes, READ, KV), Range(at + written, new_bytes, WRITE, KV)]
    else:
        near = bool(layout.attention_units)
        decoding = step > 0
        old_bytes = np.where(near, 0, old_bytes)
        new_bytes = np.where(near & decoding, 0, new_bytes)
        kv = striped_kv(layout, layer, np.zeros_like(step), old_bytes, READ)
        kv += striped_kv(layout, layer, written, new_bytes, WRITE)
        if near:
            rows = step[decoding], layer[decoding], seen[decoding] - 1
            lower_near_attention(scene, *rows)
    scene.sheet.add(
        STREAM,
        scene.gpu_lane,
        Place(step, layer, slots.ATTENTION),
        Purpose(PURPOSES.index("attention"), tokens=tokens),
        setup_ps=scene.gpu_model.launch_ps,
        busy_ps=busy + np.where(step == 0, scores, 0),
        ranges=(
            Range(layout.attention[layer], layout.attention_bytes, READ, WEIGHTS),
            *kv,
            Range(scratch, activation_bytes, READ, ACTIVATIONS),
        ),
    )


def _gate_and_combine(scene: Scene, step: Ints, layer: Ints) -> None:
    model, layout = scene.model, scene.layout
    tokens = scene.tokens(step)
    rows = ACTIVATION_BYTES * model.hidden * tokens
    scratch = layout.activations[scene.gpu.local_memory]
    scene.sheet.add(
        STREAM,
        scene.gpu_lane,
        Place(step, layer, slots.GATE),
        Purpose(PURPOSES.index("gate"), tokens=tokens),
        setup_ps=scene.gpu_model.launch_ps,
        busy_ps=scene.gpu_model.dense_ps(tokens, model.hidden, model.routed_experts),
        ranges=(
            Range(layout.router[layer], layout.router_bytes, READ, WEIGHTS),
            Range(scratch, rows, READ, ACTIVATIONS),
        ),
    )
    scene.sheet.add(
        STREAM,
        scene.gpu_lane,
        Place(step, layer, slots.COMBINE),
        Purpose(PURPOSES.index("combine"), tokens=tokens),
        setup_ps=scene.gpu_model.launch_ps,
        ranges=(
            Range(scratch, rows * model.top_k, READ, ACTIVATIONS),
            Range(scratch, rows, WRITE, ACTIVATIONS),
        ),
    )


def _feed_forward(scene: Scene, step: Ints, layer: Ints, shared: bool) -> None:
    model, layout = scene.model, scene.layout
    tokens = scene.tokens(step)
    width = model.shared_intermediate if shared else model.dense_intermediate
    size = layout.shared_bytes if shared else layout.dense_ffn_bytes
    rows = ACTIVATION_BYTES * model.hidden * tokens
    scratch = layout.activations[scene.gpu.local_memory]
    scene.sheet.add(
        STREAM,
        scene.gpu_lane,
        Place(step, layer, slots.SHARED if shared else slots.DENSE_FFN),
        Purpose(PURPOSES.index("shared expert" if shared else "dense ffn"), tokens=tokens),
        setup_ps=scene.gpu_model.launch_ps,
        busy_ps=scene.gpu_model.dense_ps(tokens, model.hidden, model.expert.matrices * width),
        ranges=(
            Range(layout.ffn[layer], size, READ, WEIGHTS),
            Range(scratch, rows, READ, ACTIVATIONS),
            Range(scratch, rows, WRITE, ACTIVATIONS),
        ),
    )


def _embedding_and_head(scene: Scene) -> None:
    """One row of the embedding per token; the head for the last token of each sequence."""
    model, layout, batch = scene.model, scene.layout, scene.workload.batch
    step = np.array(scene.steps)
    tokens = scene.tokens(step)
    row_bytes = ACTIVATION_BYTES * model.hidden
    scratch = layout.activations[scene.gpu.local_memory]
    scene.sheet.add(
        STREAM,
        scene.gpu_lane,
        Place(step, -1, slots.ATTENTION),
        Purpose(PURPOSES.index("embedding"), tokens=tokens),
        setup_ps=scene.gpu_model.launch_ps,
        ranges=(
            Range(layout.embedding, np.minimum(row_bytes * tokens, layout.embedding_bytes), READ, WEIGHTS),
            Range(scratch, row_bytes * tokens, WRITE, ACTIVATIONS),
        ),
    )
    scene.sheet.add(
        STREAM,
        scene.gpu_lane,
        Place(step, model.layers, slots.ATTENTION),
        Purpose(PURPOSES.index("head"), tokens=batch),
        setup_ps=scene.gpu_model.launch_ps,
        busy_ps=scene.gpu_model.dense_ps(batch, model.hidden, model.vocab),
        ranges=(
            Range(layout.head, layout.head_bytes, READ, WEIGHTS),
            Range(scratch, row_bytes * batch, READ, ACTIVATIONS),
        ),
    )
