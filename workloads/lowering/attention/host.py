"""Attention of sequences whose keys and values lie at the host, micro-batch by micro-batch: the GPU's part.

In decode the GPU projects one micro-batch ahead of the one whose attention it ends: while the CPU attends to its share
of a micro-batch, and what the GPU attends to comes over the link, the GPU ends the micro-batch before and projects the
next (MoE-Lightning, arXiv 2411.11217, 4.1: CGOPipe). In the prefill it attends to all, and keys and values leave for
the host behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.attention.host_share import HostShare, shares_of
from moe_cosim.workloads.lowering.attention.host_traffic import Turns, end_on_cpu, load, send, send_prompt
from moe_cosim.workloads.lowering.attention.scores import scores_ps
from moe_cosim.workloads.lowering.kernels import KV, add_kernels, add_launches, dense_weights, rows_of
from moe_cosim.workloads.lowering.passes import Pass, PassKind
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose, Range
from moe_cosim.workloads.programs.program import PURPOSES, READ, SIGNAL, WAIT, WRITE

_SYNCHRONISE: Final = Purpose(PURPOSES.index("synchronise"))

# order among the events of a micro-batch's attention
_AHEAD: Final = 4
"""What the first one begins with; the next one's follows, before..."""
_LAUNCH, _PROJECT, _ASK = range(3)
_RETURNED, _ARRIVED, _ATTEND, _FREE = range(8, 12)
"""...what ends it."""
_NOBODY: Final[Ints] = np.full(2, -1)


def lower_host_attention(scene: Scene, passes: Sequence[Pass]) -> None:
    """Of passes in micro-batches, those of the prompt and those of decode."""
    for kind, lower in ((PassKind.PROMPT, _lower_prompt), (PassKind.DECODE, _lower_decode)):
        own = [each for each in passes if each.kind is kind]
        if own:
            lower(scene, own, shares_of(scene, own))


def _lower_prompt(scene: Scene, passes: Sequence[Pass], shares: Sequence[HostShare]) -> None:
    work, layout, turns = scene.workload, scene.layout, Turns.of(scene, passes)
    step, layer = passes[0].every
    kept = scene.model.kept_tokens(layer, work.prompt_tokens)
    per_token = layout.kv_bytes_per_token[layer]
    made, stored = (scene.sheet.new_tokens(len(passes) * len(step)).reshape(len(passes), -1) for _ in range(2))
    for each, share in zip(passes, shares, strict=True):
        if each.number:
            add_launches(scene, each.attention_place(_LAUNCH))
        before = turns.before_last(stored, each, _NOBODY)
        late = np.flatnonzero(before >= 0)
        place = _rows(each.attention_place(_ARRIVED), late)
        scene.sheet.add(WAIT, scene.gpu_lane, place, _SYNCHRONISE, token=before[late], count=1)
        scores = scores_ps(scene, each.sequences, layer, np.full(len(layer), work.prompt_tokens), work.prompt_tokens)
        ranges = (
            *dense_weights(scene, each.every, "attention"),
            Range(share.resident_kv(layer), share.parts.resident * per_token * kept, WRITE, KV),
            Range(turns.buffer(each), share.parts.at_host * per_token * kept, WRITE, KV),
            rows_of(scene, each.tokens, READ),
        )
        busy_ps = each.projections_ps + scores
        add_kernels(scene, each.attention_place(_ATTEND), "attention", each.tokens, busy_ps, ranges)
        token = made[each.number]
        scene.sheet.add(SIGNAL, scene.gpu_lane, each.attention_place(_FREE), _SYNCHRONISE, token=token)
        send_prompt(scene, each, share, turns, per_token * kept, token, stored[each.number])


def _lower_decode(scene: Scene, passes: Sequence[Pass], shares: Sequence[HostShare]) -> None:
    sheet, lane, layout, turns = scene.sheet, scene.gpu_lane, scene.layout, Turns.of(scene, passes)
    step, layer = passes[0].every
    context = scene.context(step)
    seen = scene.model.attended_tokens(layer, context) - 1
    written = (context - 1) % scene.model.kept_tokens(layer, scene.model.cached_tokens(scene.workload))
    per_token = layout.kv_bytes_per_token[layer]
    streams = any(share.parts.streamed for share in shares)
    asked, returned, arrived, freed = (
        sheet.new_tokens(len(passes) * len(step)).reshape(len(passes), -1) for _ in range(4)
    )
    if streams and passes[0].steps.start == 1:  # the prefill has left the buffers
        scene.carried.kv_buffers = sheet.new_tokens(1).repeat(2)
        place = Place(np.ones(1, np.int64), -1, slots.START_SIGNAL)
        sheet.add(SIGNAL, lane, place, _SYNCHRONISE, token=scene.carried.kv_buffers[:1])
    inner, columns = np.array(scene.model.attention.projections(scene.model.hidden)).T
    ahead = float((inner * columns)[:-1].sum() / (inner * columns).sum())  # of the weights: all but the output's
    for each, share in zip(passes, shares, strict=True):
        times = scene.gpu_model.dense_ps(each.tokens, inner, columns, scene.formats.attention)
        number, parts = each.number, share.parts
        if number:
            add_launches(scene, _begin(scene, passes, number, _LAUNCH))
        rows = rows_of(scene, each.tokens, READ)
        weights = dense_weights(scene, each.every, "attention", 0, ahead)
        place = _begin(scene, passes, number, _PROJECT)
        add_kernels(scene, place, "attention", each.tokens, int(times[:-1].sum()), (*weights, rows))
        if parts.at_host:
            sheet.add(SIGNAL, lane, _begin(scene, passes, number, _ASK), _SYNCHRONISE, token=asked[number])
            send(scene, each, share, per_token, written, asked[number])
        if parts.on_cpu:
            end_on_cpu(scene, each, share, per_token, seen, written, returned[number])
            place = each.attention_place(_RETURNED)
            sheet.add(WAIT, lane, place, _SYNCHRONISE, token=returned[number], count=1)
        if streams:
            before = turns.before_last(freed, each, scene.carried.kv_buffers)
            load(scene, each, share, turns, per_token * seen, before, arrived[number])
            place = each.attention_place(_ARRIVED)
            sheet.add(WAIT, lane, place, _SYNCHRONISE, token=arrived[number], count=1)
            sheet.add(SIGNAL, lane, each.attention_place(_FREE), _SYNCHRONISE, token=freed[number])
        scores = scores_ps(scene, parts.resident + parts.streamed, layer, context, 1)
        at = share.resident_kv(layer)
        ranges = (
            *dense_weights(scene, each.every, "attention", ahead, 1),
            Range(at, parts.resident * per_token * seen, READ, KV),
            Range(at + parts.resident * per_token * written, parts.resident * per_token, WRITE, KV),
            Range(turns.buffer(each), parts.streamed * per_token * seen, READ, KV),
            rows,
        )
        add_kernels(scene, each.attention_place(_ATTEND), "attention", each.tokens, times[-1] + scores, ranges)
    if streams:
        scene.carried.kv_buffers = turns.last(freed)


def _begin(scene: Scene, passes: Sequence[Pass], number: int, order: int) -> Place:
    """Of what begins a micro-batch: before the attention of the one before ends, where the GPU goes ahead."""
    if number and scene.layout.batching.cpu_ahead:
        return passes[number - 1].attention_place(_AHEAD + order)
    return passes[number].attention_place(order)


def _rows(place: Place, rows: Ints) -> Place:
    return Place(np.asarray(place.step)[rows], np.asarray(place.layer)[rows], place.slot, place.order)
