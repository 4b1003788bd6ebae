"""What the tokens of a layer attend to among themselves: their own sequence's keys and values, or its state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from moe_cosim.workloads.lowering.attention.host import lower_host_attention
from moe_cosim.workloads.lowering.attention.near_data import lower_near_attention, striped_kv
from moe_cosim.workloads.lowering.attention.scores import scores_ps
from moe_cosim.workloads.lowering.kernels import KV, add_kernels, add_launches, dense_weights, rows_of
from moe_cosim.workloads.lowering.passes import Pass, PassKind
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Ints, Range
from moe_cosim.workloads.programs.program import READ, WRITE


def lower_own_attention(scene: Scene, passes: Sequence[Pass]) -> None:
    """Projections and scores as one kernel: reads weights and the cache so far, appends to it."""
    if scene.layout.host is not None and scene.layout.host.kv is not None:
        lower_host_attention(scene, passes)
        return
    lowered = {
        PassKind.PROMPT: _prompt_attention,
        PassKind.ENCODER: _encoder_attention,
        PassKind.DECODE: _decode_attention,
    }
    kernels = [lowered[each.kind](scene, each) for each in passes]
    for each, (kv, busy_ps) in zip(passes, kernels, strict=True):
        ranges = (*dense_weights(scene, each.every, "attention"), *kv, rows_of(scene, each.tokens, READ))
        if each.number:  # the first one's launches are the layer's
            add_launches(scene, each.attention_place())
        place = each.attention_place(int(each.number > 0))
        add_kernels(scene, place, "attention", each.tokens, busy_ps, ranges)


def _encoder_attention(scene: Scene, each: Pass) -> tuple[list[Range], ArrayLike]:
    """Every token attends to all, and what they attend to is used as it is made."""
    work, core = scene.workload, scene.model.attention.prompt_core
    scores = scene.gpu_model.attention_ps(each.sequences, work.prompt_tokens, work.prompt_tokens, core)
    return [], each.projections_ps + np.asarray(scores)


def _prompt_attention(scene: Scene, each: Pass) -> tuple[list[Range], ArrayLike]:
    """The prompt's own keys and values are used as they are made."""
    layer, work, layout = each.every.layer, scene.workload, scene.layout
    seen = np.full(len(layer), work.prompt_tokens)
    scores = scores_ps(scene, each.sequences, layer, seen, work.prompt_tokens)
    # what no window reaches any more is not kept
    kept = scene.model.kept_tokens(layer, work.prompt_tokens)
    per_token = (layout.kv_bytes_per_token + layout.index_bytes_per_token)[layer]
    new_bytes = each.sequences * (per_token * kept + layout.state_bytes[layer])
    return _kv(scene, each, 0, 0, new_bytes), each.projections_ps + scores


def _decode_attention(scene: Scene, each: Pass) -> tuple[list[Range], ArrayLike]:
    """A step reads all before it that it attends to, or leaves that to the units beside it; a state is read and
    written whole. Several tokens of a sequence read it once, as far as the first of them looks back, and the keys and
    values of those that are rejected are written over by the next step."""
    work, layout, model, queries = scene.workload, scene.layout, scene.model, scene.workload.queries
    step, layer = each.every
    context = scene.context(step)
    before = context - queries
    old = model.attended_tokens(layer, before + 1) - 1
    kv, index, state = (
        each.sequences * size[layer]
        for size in (layout.kv_bytes_per_token, layout.index_bytes_per_token, layout.state_bytes)
    )
    if layout.attention_units:
        lower_near_attention(scene, step, layer, old)
        return _kv(scene, each, 0, kv * before, 0), each.projections_ps
    scores = scores_ps(scene, each.sequences, layer, context, 1, queries)
    turn = before % model.kept_tokens(layer, model.cached_tokens(work))  # a window is a ring
    old_bytes = kv * old + index * before + state
    new_bytes = (kv + index) * queries + state
    return _kv(scene, each, old_bytes, (kv + index) * turn, new_bytes), each.projections_ps + scores


def _kv(scene: Scene, each: Pass, old_bytes: ArrayLike, written: ArrayLike, new_bytes: ArrayLike) -> list[Range]:
    """Reads of `old_bytes` from a layer's cache and writes of `new_bytes` behind what is `written`."""
    layout, layer = scene.layout, each.every.layer
    if layout.kv_stripes is not None:
        return striped_kv(layout, layer, 0, old_bytes, READ) + striped_kv(layout, layer, written, new_bytes, WRITE)
    at = layout.kv[layer]
    if each.first_sequence:
        at = at + each.first_sequence * sequence_room(scene)[layer]
    return [Range(at, old_bytes, READ, KV), Range(at + np.asarray(written), new_bytes, WRITE, KV)]


def sequence_room(scene: Scene) -> Ints:
    """[layers] bytes that one sequence has for its keys and values, and its state."""
    layout, model = scene.layout, scene.model
    kept = model.kept_tokens(np.arange(model.layers), model.cached_tokens(scene.workload))
    per_token = layout.kv_bytes_per_token + layout.index_bytes_per_token
    found: Ints = per_token * (kept + scene.workload.drafted_tokens) + layout.state_bytes
    return found
