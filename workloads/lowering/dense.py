"""The part of a step that every token takes, on the GPU: attention, gate, dense layers, head.

The rows of every column are those of one pass after the other, in the order of steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.attention import lower_attention
from moe_cosim.workloads.lowering.kernels import WEIGHTS, add_kernels, rows_of
from moe_cosim.workloads.lowering.passes import Pass, PassKind, passes_of
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Place, Purpose, Range
from moe_cosim.workloads.programs.program import COMPUTE, PURPOSES, READ, WRITE

_HOST = Purpose(PURPOSES.index("host"))


def lower_dense(scene: Scene) -> None:
    """All events of the dense part, for every step and layer at once."""
    passes = list(passes_of(scene))
    _launches(scene, passes)
    lower_attention(scene, passes)
    _gate_and_combine(scene, passes)
    if scene.model.shared_intermediate:
        _shared_experts(scene, passes)
    if scene.model.dense_intermediate:
        _dense_layers(scene, passes)
    _embedding_and_head(scene, passes)


def _launches(scene: Scene, passes: Sequence[Pass]) -> None:
    """What the software takes before a step, and in each of its layers."""
    software = scene.software
    for order, each in enumerate(passes):
        places = (
            (
                Place(np.array(each.steps), -1, slots.HOST, order),
                software.step_ps + scene.workload.batch * software.sequence_ps,
            ),
            (Place(*each.every, slots.HOST), software.layer_ps),
            (Place(*each.sparse, slots.HOST, 1), software.moe_layer_ps),
        )
        for place, busy_ps in places:
            if busy_ps:
                scene.sheet.add(COMPUTE, scene.gpu_lane, place, _HOST, busy_ps=busy_ps)
    if software.expert_ps:
        count = np.bincount(scene.run_cell[scene.plan.runs["unit"] == scene.gpu_index], minlength=scene.cell_count)
        cells = np.flatnonzero(count)
        place = Place(*scene.step_and_layer(cells), slots.HOST, 2)
        scene.sheet.add(COMPUTE, scene.gpu_lane, place, _HOST, busy_ps=count[cells] * software.expert_ps)


def _gate_and_combine(scene: Scene, passes: Sequence[Pass]) -> None:
    layout = scene.layout
    for each in passes:
        router = Range(layout.router[each.sparse.layer], layout.router_bytes, READ, WEIGHTS)
        ranges = (router, rows_of(scene, each.tokens, READ))
        add_kernels(scene, Place(*each.sparse, slots.GATE), "gate", each.tokens, each.gate_ps, ranges)
    for each in passes:
        ranges = (rows_of(scene, each.tokens * scene.model.top_k, READ), rows_of(scene, each.tokens, WRITE))
        add_kernels(scene, Place(*each.sparse, slots.COMBINE), "combine", each.tokens, 0, ranges)


def _shared_experts(scene: Scene, passes: Sequence[Pass]) -> None:
    for each in passes:
        weights = Range(scene.layout.ffn[each.sparse.layer], scene.layout.shared_bytes, READ, WEIGHTS)
        ranges = (weights, rows_of(scene, each.tokens, READ), rows_of(scene, each.tokens, WRITE))
        add_kernels(scene, Place(*each.sparse, slots.SHARED), "shared expert", each.tokens, each.shared_ps, ranges)


def _dense_layers(scene: Scene, passes: Sequence[Pass]) -> None:
    for each in passes:
        weights = Range(scene.layout.ffn[each.dense.layer], scene.layout.dense_ffn_bytes, READ, WEIGHTS)
        ranges = (weights, rows_of(scene, each.tokens, READ), rows_of(scene, each.tokens, WRITE))
        add_kernels(scene, Place(*each.dense, slots.DENSE_FFN), "dense ffn", each.tokens, each.dense_ps, ranges)


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
        ranges = (Range(layout.head, layout.head_bytes, READ, WEIGHTS), rows_of(scene, each.head_tokens, READ))
        place = Place(np.array(each.steps), model.layers, slots.ATTENTION)
        add_kernels(scene, place, "head", each.head_tokens, each.head_ps, ranges)
