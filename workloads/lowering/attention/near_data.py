"""Keys and values outside the GPU: read from there, or attended to beside where they lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from moe_cosim.workloads.layout import ACTIVATION_BYTES, ModelLayout
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.scene import Scene, model_of
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose, Range
from moe_cosim.workloads.programs.program import CONTENTS, COPY, PURPOSES, READ, SIGNAL, STREAM, WAIT, WRITE

_ACTIVATIONS, _KV = CONTENTS.index("activations"), CONTENTS.index("kv")
_SYNCHRONISE = Purpose(PURPOSES.index("synchronise"))


def striped_kv(layout: ModelLayout, layer: Ints, offset: ArrayLike, size: ArrayLike, op: int) -> list[Range]:
    """Ranges, one per memory, of the keys and values from `offset` on of a layer's cache, page by page; `layer` [n],
    the others broadcast to it.
    """
    stripes = layout.kv_stripes
    assert stripes is not None
    count = len(stripes.starts)
    at = layout.kv[layer] + np.asarray(offset) // count
    each, more = np.divmod(size, count)
    page = layout.kv_page_bytes
    return [Range(at, each + (index < more), op, _KV, stripes.part(index), page) for index in range(count)]


def lower_near_attention(scene: Scene, step: Ints, layer: Ints, seen: Ints) -> None:
    """Decode attention of every (step, layer): queries go to the units beside the keys and values, each of which
    attends for its share of the sequences over `seen` cached tokens, and values return. `step`, `layer` and `seen` are
    [cells].
    """
    sheet, layout, work, queries = scene.sheet, scene.layout, scene.workload, scene.workload.queries
    assert layout.kv_stripes is not None
    attention, units = scene.model.attention, layout.attention_units
    count = len(units)
    there, back = attention.query_bytes(ACTIVATION_BYTES)
    lane = scene.dma_lane("activations")
    here = layout.activations[scene.gpu.local_memory]
    asked, sent, done, returned = (sheet.new_tokens(len(step)) for _ in range(4))
    sequences = [work.batch // count + (index < work.batch % count) for index in range(count)]
    scratch = [layout.activations[scene.machine.units[name].local_memory] for name in units]

    sheet.add(SIGNAL, scene.gpu_lane, Place(step, layer, slots.ATTENTION, 1), _SYNCHRONISE, token=asked)
    sheet.add(WAIT, scene.gpu_lane, Place(step, layer, slots.ATTENTION, 2), _SYNCHRONISE, token=returned, count=1)

    def place(order: int) -> Place:
        return Place(step, layer, slots.NEAR_ATTENTION, order)

    def copy(order: int, bytes_per_token: int, outward: bool) -> None:
        ranges = []
        for index in range(count):
            size = sequences[index] * queries * bytes_per_token
            ends = (here, scratch[index]) if outward else (scratch[index], here)
            ranges += [Range(ends[0], size, READ, _ACTIVATIONS), Range(ends[1], size, WRITE, _ACTIVATIONS)]
        purpose = Purpose(PURPOSES.index("attention"), tokens=work.tokens_per_step)
        sheet.add(COPY, lane, place(order), purpose, ranges=tuple(ranges))

    sheet.add(WAIT, lane, place(0), _SYNCHRONISE, token=asked, count=1)
    kv_bytes_per_token = int(layout.kv_bytes_per_token[0])  # all layers are alike
    copy(1, there + kv_bytes_per_token, outward=True)
    sheet.add(SIGNAL, lane, place(2), _SYNCHRONISE, token=sent)
    sheet.add(WAIT, lane, place(3), _SYNCHRONISE, token=done, count=count)
    copy(4, back, outward=False)
    sheet.add(SIGNAL, lane, place(5), _SYNCHRONISE, token=returned)

    before = scene.context(step) - queries
    per_token = kv_bytes_per_token * work.batch
    old = striped_kv(layout, layer, 0, per_token * seen, READ)
    new = striped_kv(layout, layer, per_token * before, per_token * queries, WRITE)
    for index, name in enumerate(units):
        unit = scene.machine.units[name]
        model = model_of(unit)
        near = scene.machine.lane_id(name, unit.lanes[0])
        sheet.add(WAIT, near, place(0), _SYNCHRONISE, token=sent, count=1)
        sheet.add(
            STREAM,
            near,
            place(1),
            Purpose(PURPOSES.index("attention"), tokens=sequences[index] * queries),
            setup_ps=model.launch_ps,
            busy_ps=model.attention_ps(sequences[index], 1, seen + queries - 1, attention.core.of_queries(queries)),
            ranges=(
                old[index],
                new[index],
                Range(scratch[index], sequences[index] * queries * there, READ, _ACTIVATIONS),
                Range(scratch[index], sequences[index] * queries * back, WRITE, _ACTIVATIONS),
            ),
        )
        sheet.add(SIGNAL, near, place(2), _SYNCHRONISE, token=done)
