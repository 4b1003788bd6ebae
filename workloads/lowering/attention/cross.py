"""What a decoder attends to of its encoder: keys and values made once, from what the encoder gives, and never grown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.kernels import KV, WEIGHTS, add_kernels, rows_of
from moe_cosim.workloads.lowering.passes import Pass, PassKind
from moe_cosim.workloads.lowering.scene import Cells, Scene
from moe_cosim.workloads.lowering.sheet import Place, Range
from moe_cosim.workloads.programs.program import READ, WRITE

# order in the slot
_KEYS, _ATTEND = range(2)


def lower_cross_attention(scene: Scene, passes: Sequence[Pass]) -> None:
    """In step 0 keys and values of the whole prompt; in every step one query of each sequence, on all of them."""
    if scene.layout.cross is None:
        return
    for each in passes:
        if each.kind == PassKind.DECODE:
            first = each.every.step == 0
            if first.any():
                _keys(scene, Cells(each.every.step[first], each.every.layer[first]))
            _attend(scene, each)


def _keys(scene: Scene, cells: Cells) -> None:
    """The products of what the encoder gives with the matrices of keys and values, behind those of queries."""
    cross, work, model = scene.layout.cross, scene.workload, scene.model
    assert cross is not None
    tokens = work.batch * work.prompt_tokens
    _, of_prompt = model.attention.cross_products(model.hidden)
    place = Place(*cells, slots.CROSS_ATTENTION, _KEYS)
    ranges = (
        Range(cross.weights[cells.layer] + cross.query_bytes, cross.key_bytes, READ, WEIGHTS),
        rows_of(scene, tokens, READ),
        Range(cross.kv[cells.layer], cross.kv_bytes_per_token * tokens, WRITE, KV),
    )
    add_kernels(scene, place, "attention", tokens, _products_ps(scene, tokens, of_prompt), ranges)


def _attend(scene: Scene, each: Pass) -> None:
    cross, work, model = scene.layout.cross, scene.workload, scene.model
    assert cross is not None
    of_decoder, _ = model.attention.cross_products(model.hidden)
    scores = int(scene.gpu_model.attention_ps(work.batch, 1, work.prompt_tokens, model.attention.core))
    place = Place(*each.every, slots.CROSS_ATTENTION, _ATTEND)
    ranges = (
        Range(cross.weights[each.every.layer], cross.query_bytes, READ, WEIGHTS),
        Range(cross.kv[each.every.layer], cross.kv_bytes_per_token * work.batch * work.prompt_tokens, READ, KV),
        rows_of(scene, each.tokens, READ),
    )
    busy_ps = _products_ps(scene, each.tokens, of_decoder) + scores
    add_kernels(scene, place, "attention", each.tokens, busy_ps, ranges)


def _products_ps(scene: Scene, tokens: int, products: tuple[tuple[int, int], ...]) -> int:
    inner, columns = np.array(products).T
    return int(scene.gpu_model.dense_ps(tokens, inner, columns, scene.formats.attention).sum())
