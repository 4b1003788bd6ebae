"""Attention of prompts whose keys and values go to the host, micro-batch by micro-batch: the GPU's part.

The GPU attends to all, and keys and values leave behind it. Or the CPU attends to its share (CoX-MoE, arXiv
2605.17889): queries go with the keys and values, and the GPU, which has projected the next micro-batch meanwhile, takes
what was attended for the output's projection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from moe_cosim.workloads.layout import ACTIVATION_BYTES, score_bytes
from moe_cosim.workloads.lowering.attention.host_share import HostShare
from moe_cosim.workloads.lowering.attention.host_traffic import Turns, end_prompt_on_cpu, send_prompt
from moe_cosim.workloads.lowering.attention.micro_batch import (
    ARRIVED,
    ASK,
    ATTEND,
    FREE,
    LAUNCH,
    PROJECT,
    RETURNED,
    Products,
    begin,
)
from moe_cosim.workloads.lowering.attention.scores import scores_ps
from moe_cosim.workloads.lowering.kernels import ACTIVATIONS, KV, add_kernels, add_launches, dense_weights, rows_of
from moe_cosim.workloads.lowering.passes import Pass
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose, Range
from moe_cosim.workloads.programs.program import PURPOSES, READ, SIGNAL, WAIT, WRITE

_SYNCHRONISE: Final = Purpose(PURPOSES.index("synchronise"))
_NOBODY: Final[Ints] = np.full(2, -1)


def lower_prompt(scene: Scene, passes: Sequence[Pass], shares: Sequence[HostShare]) -> None:
    """Of the micro-batches of a prompt."""
    if scene.layout.batching.cpu_prefill:
        _beside_the_cpu(scene, passes, shares)
    else:
        _on_the_gpu(scene, passes, shares)


def _on_the_gpu(scene: Scene, passes: Sequence[Pass], shares: Sequence[HostShare]) -> None:
    turns, kv_bytes = Turns.of(scene, passes), _kv_bytes(scene, passes[0])
    layer = passes[0].every.layer
    made, stored = (_tokens(scene, passes) for _ in range(2))
    for each, share in zip(passes, shares, strict=True):
        if each.number:
            add_launches(scene, each.attention_place(LAUNCH))
        before = turns.before_last(stored, each, _NOBODY)
        late = np.flatnonzero(before >= 0)
        place = _rows(each.attention_place(ARRIVED), late)
        scene.sheet.add(WAIT, scene.gpu_lane, place, _SYNCHRONISE, token=before[late], count=1)
        ranges = (
            *dense_weights(scene, each.every, "attention"),
            Range(share.resident_kv(layer), share.parts.resident * kv_bytes, WRITE, KV),
            Range(turns.buffer(each), share.parts.at_host * kv_bytes, WRITE, KV),
            *_scores(scene, each.sequences),
            rows_of(scene, each.tokens, READ),
        )
        busy_ps = each.projections_ps + _scores_ps(scene, each, each.sequences)
        add_kernels(scene, each.attention_place(ATTEND), "attention", each.tokens, busy_ps, ranges)
        token = made[each.number]
        scene.sheet.add(SIGNAL, scene.gpu_lane, each.attention_place(FREE), _SYNCHRONISE, token=token)
        send_prompt(scene, each, share, turns, kv_bytes, token, stored[each.number])


def _beside_the_cpu(scene: Scene, passes: Sequence[Pass], shares: Sequence[HostShare]) -> None:
    """The buffer has a micro-batch's keys, values and queries, and then what was attended. Whoever had it before has
    ended on the GPU when the next one is projected into it."""
    sheet, lane, turns, kv_bytes = scene.sheet, scene.gpu_lane, Turns.of(scene, passes), _kv_bytes(scene, passes[0])
    layer = passes[0].every.layer
    there, back = (
        scene.workload.prompt_tokens * size for size in scene.model.attention.prompt_query_bytes(ACTIVATION_BYTES)
    )
    made, stored, returned = (_tokens(scene, passes) for _ in range(3))
    for each, share in zip(passes, shares, strict=True):
        products, number, parts = Products.of(scene, each.tokens), each.number, share.parts
        if number:
            add_launches(scene, begin(scene, passes, number, LAUNCH))
        resident, buffer = share.resident_kv(layer), turns.buffer(each)
        queries = buffer + parts.at_host * kv_bytes
        rows = rows_of(scene, each.tokens, READ)
        ranges = (
            *dense_weights(scene, each.every, "attention", 0, products.ahead),
            Range(resident, parts.resident * kv_bytes, WRITE, KV),
            Range(buffer, parts.at_host * kv_bytes, WRITE, KV),
            Range(queries, parts.on_cpu * there, WRITE, ACTIVATIONS),
            rows,
        )
        place = begin(scene, passes, number, PROJECT)
        add_kernels(scene, place, "attention", each.tokens, products.ahead_ps, ranges)
        sheet.add(SIGNAL, lane, begin(scene, passes, number, ASK), _SYNCHRONISE, token=made[number])
        send_prompt(scene, each, share, turns, kv_bytes, made[number], stored[number], parts.on_cpu * there)
        if parts.on_cpu:
            end_prompt_on_cpu(scene, each, share, turns, kv_bytes, stored[number], returned[number])
        last = (returned if parts.on_cpu else stored)[number]
        sheet.add(WAIT, lane, each.attention_place(RETURNED), _SYNCHRONISE, token=last, count=1)
        own = parts.resident + parts.streamed
        ranges = (
            *dense_weights(scene, each.every, "attention", products.ahead, 1),
            Range(resident, parts.resident * kv_bytes, READ, KV),
            Range(buffer + parts.on_cpu * kv_bytes, parts.streamed * kv_bytes, READ, KV),
            Range(queries, parts.on_cpu * back, READ, ACTIVATIONS),
            *_scores(scene, own),
            rows,
        )
        busy_ps = products.output_ps + _scores_ps(scene, each, own)
        add_kernels(scene, each.attention_place(ATTEND), "attention", each.tokens, busy_ps, ranges)


def _kv_bytes(scene: Scene, each: Pass) -> Ints:
    """[cells] of one sequence's prompt in the cache."""
    layer = each.every.layer
    kept = scene.model.kept_tokens(layer, scene.workload.prompt_tokens)
    found: Ints = scene.layout.kv_bytes_per_token[layer] * kept
    return found


def _scores(scene: Scene, sequences: int) -> list[Range]:
    """What a kernel that is not fused writes and reads of the scores of so many prompts."""
    size = score_bytes(scene.model, scene.workload, scene.layout.batching, sequences)
    at = np.int64(scene.layout.prompt_scores)
    return [Range(at, size, op, ACTIVATIONS) for op in (WRITE, READ, WRITE, READ)] if size else []


def _scores_ps(scene: Scene, each: Pass, sequences: int) -> Ints:
    layer, tokens = each.every.layer, scene.workload.prompt_tokens
    return scores_ps(scene, sequences, layer, np.full(len(layer), tokens), tokens)


def _tokens(scene: Scene, passes: Sequence[Pass]) -> Ints:
    """[micro-batches, cells]."""
    return scene.sheet.new_tokens(len(passes) * len(passes[0].every.step)).reshape(len(passes), -1)


def _rows(place: Place, rows: Ints) -> Place:
    return Place(np.asarray(place.step)[rows], np.asarray(place.layer)[rows], place.slot, place.order)
