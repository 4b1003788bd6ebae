"""The part of a step that every token takes, on the GPU: attention, gate, dense layers, head.

The rows of every column are those of one pass after the other, in the order of steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from moe_cosim.workloads.layout import ModelLayout
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.attention import lower_attention
from moe_cosim.workloads.lowering.batched.dense_loads import lower_dense_loads
from moe_cosim.workloads.lowering.batched.micro_batches import micro_batches_of
from moe_cosim.workloads.lowering.kernels import WEIGHTS, add_kernels, dense_weights, rows_of
from moe_cosim.workloads.lowering.passes import Pass, PassKind, passes_of
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Place, Purpose, Range
from moe_cosim.workloads.programs.program import COMPUTE, PURPOSES, READ, WRITE

_HOST = Purpose(PURPOSES.index("host"))


def lower_dense(scene: Scene) -> None:
    """All events of the dense part, for every step and layer at once."""
    whole = list(passes_of(scene))
    attending = micro_batches_of(scene, whole)
    passes = whole if scene.layout.batching.experts_at_once else attending
    _launches(scene, whole, passes)
    lower_attention(scene, attending)
    _gate_and_combine(scene, passes)
    if scene.model.shared_intermediate:
        _shared_experts(scene, passes)
    if scene.model.dense_intermediate:
        _dense_layers(scene, passes)
    _embedding_and_head(scene, whole)
    lower_dense_loads(scene)


def _launches(scene: Scene, whole: Sequence[Pass], passes: Sequence[Pass]) -> None:
    """What the software takes before a step, and in each of its layers (attention of further micro-batches aside)."""
    software = scene.software
    for order, each in enumerate(whole):
        place, busy_ps = Place(np.array(each.steps), -1, slots.HOST, order), scene.workload.batch * software.sequence_ps
        _add_launch(scene, place, software.step_ps + busy_ps)
        _add_launch(scene, Place(*each.every, slots.HOST), software.layer_ps)
        for part in passes:
            if part.kind == each.kind:
                _add_launch(scene, part.place(part.sparse, slots.HOST, 1), software.moe_layer_ps)
    if software.expert_ps:
        count = np.bincount(scene.run_cell[scene.plan.runs["unit"] == scene.gpu_index], minlength=scene.cell_count)
        cells = np.flatnonzero(count)
        _add_launch(scene, Place(*scene.step_and_layer(cells), slots.HOST, 2), count[cells] * software.expert_ps)


def _add_launch(scene: Scene, place: Place, busy_ps: ArrayLike) -> None:
    if np.any(busy_ps):
        scene.sheet.add(COMPUTE, scene.gpu_lane, place, _HOST, busy_ps=busy_ps)


def _gate_and_combine(scene: Scene, passes: Sequence[Pass]) -> None:
    layout = scene.layout
    for each in passes:
        router = Range(layout.router[each.sparse.layer], layout.router_bytes, READ, WEIGHTS)
        ranges = (router, rows_of(scene, each.tokens, READ))
        add_kernels(scene, each.place(each.sparse, slots.GATE), "gate", each.tokens, each.gate_ps, ranges)
    for each in passes:
        ranges = (rows_of(scene, each.tokens * scene.model.top_k, READ), rows_of(scene, each.tokens, WRITE))
        add_kernels(scene, each.place(each.sparse, slots.COMBINE), "combine", each.tokens, 0, ranges)


def _shared_experts(scene: Scene, passes: Sequence[Pass]) -> None:
    for each in passes:
        weights = dense_weights(scene, each.sparse, "ffn")
        ranges = (*weights, rows_of(scene, each.tokens, READ), rows_of(scene, each.tokens, WRITE))
        place = each.place(each.sparse, slots.SHARED)
        add_kernels(scene, place, "shared expert", each.tokens, each.shared_ps, ranges)


def _dense_layers(scene: Scene, passes: Sequence[Pass]) -> None:
    for each in passes:
        weights = dense_weights(scene, each.dense, "ffn")
        ranges = (*weights, rows_of(scene, each.tokens, READ), rows_of(scene, each.tokens, WRITE))
        place = each.place(each.dense, slots.DENSE_FFN)
        add_kernels(scene, place, "dense ffn", each.tokens, each.dense_ps, ranges)


def _embedding_and_head(scene: Scene, passes: Sequence[Pass]) -> None:
    """One row of the embedding per token; the head for those whose next one is asked for."""
    model, layout = scene.model, scene.layout
    for order, each in enumerate(passes):
        row = scene.formats.embedding.bytes_of(model.hidden)
        read = min(row * each.tokens, layout.embedding_bytes)
        table = Range(layout.embedding, read, READ, WEIGHTS, block_bytes=row)
        ranges = (table, rows_of(scene, each.tokens, WRITE))
        place = Place(np.array(each.steps), -1, slots.ATTENTION, order)
        add_kernels(scene, place, "embedding", each.tokens, 0, ranges)
    for each in passes:
        if each.kind == PassKind.ENCODER:
            continue
        weights = _head_weights(layout)
        place = Place(np.array(each.steps), model.layers, slots.ATTENTION)
        rows = rows_of(scene, each.head_tokens, READ)
        add_kernels(scene, place, "head", each.head_tokens, each.head_ps, (*weights, rows))


def _head_weights(layout: ModelLayout) -> list[Range]:
    dense = None if layout.host is None else layout.host.dense
    if dense is None:
        return [Range(layout.head, layout.head_bytes, READ, WEIGHTS)]
    stays = Range(layout.head, layout.head_bytes - dense.head_bytes, READ, WEIGHTS)
    return [stays, Range(dense.head_buffer, dense.head_bytes, READ, WEIGHTS)]
