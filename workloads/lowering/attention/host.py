"""Attention of sequences whose keys and values lie at the host, micro-batch by micro-batch: the GPU's part.

In decode the GPU projects one micro-batch ahead of the one whose attention it ends: while the CPU attends to its share
of a micro-batch, and what the GPU attends to comes over the link, the GPU ends the micro-batch before and projects the
next (MoE-Lightning, arXiv 2411.11217, 4.1: CGOPipe). The prefill is in `host_prompt`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.attention.host_prompt import lower_prompt
from moe_cosim.workloads.lowering.attention.host_share import HostShare, shares_of
from moe_cosim.workloads.lowering.attention.host_traffic import Turns, end_on_cpu, load, send
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
from moe_cosim.workloads.lowering.kernels import KV, add_kernels, add_launches, dense_weights, rows_of
from moe_cosim.workloads.lowering.passes import Pass, PassKind
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Place, Purpose, Range
from moe_cosim.workloads.programs.program import PURPOSES, READ, SIGNAL, WAIT, WRITE

_SYNCHRONISE: Final = Purpose(PURPOSES.index("synchronise"))


def lower_host_attention(scene: Scene, passes: Sequence[Pass]) -> None:
    """Of passes in micro-batches, those of the prompt and those of decode."""
    for kind, lower in ((PassKind.PROMPT, lower_prompt), (PassKind.DECODE, _lower_decode)):
        own = [each for each in passes if each.kind is kind]
        if own:
            lower(scene, own, shares_of(scene, own))


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
    for each, share in zip(passes, shares, strict=True):
        products = Products.of(scene, each.tokens)
        number, parts = each.number, share.parts
        if number:
            add_launches(scene, begin(scene, passes, number, LAUNCH))
        rows = rows_of(scene, each.tokens, READ)
        weights = dense_weights(scene, each.every, "attention", 0, products.ahead)
        place = begin(scene, passes, number, PROJECT)
        add_kernels(scene, place, "attention", each.tokens, products.ahead_ps, (*weights, rows))
        if parts.at_host:
            sheet.add(SIGNAL, lane, begin(scene, passes, number, ASK), _SYNCHRONISE, token=asked[number])
            send(scene, each, share, per_token, written, asked[number])
        if parts.on_cpu:
            end_on_cpu(scene, each, share, per_token, seen, written, returned[number])
            place = each.attention_place(RETURNED)
            sheet.add(WAIT, lane, place, _SYNCHRONISE, token=returned[number], count=1)
        if streams:
            before = turns.before_last(freed, each, scene.carried.kv_buffers)
            load(scene, each, share, turns, per_token * seen, before, arrived[number])
            place = each.attention_place(ARRIVED)
            sheet.add(WAIT, lane, place, _SYNCHRONISE, token=arrived[number], count=1)
            sheet.add(SIGNAL, lane, each.attention_place(FREE), _SYNCHRONISE, token=freed[number])
        scores = scores_ps(scene, parts.resident + parts.streamed, layer, context, 1)
        at = share.resident_kv(layer)
        ranges = (
            *dense_weights(scene, each.every, "attention", products.ahead, 1),
            Range(at, parts.resident * per_token * seen, READ, KV),
            Range(at + parts.resident * per_token * written, parts.resident * per_token, WRITE, KV),
            Range(turns.buffer(each), parts.streamed * per_token * seen, READ, KV),
            rows,
        )
        busy_ps = products.output_ps + scores
        add_kernels(scene, each.attention_place(ATTEND), "attention", each.tokens, busy_ps, ranges)
    if streams:
        scene.carried.kv_buffers = turns.last(freed)
