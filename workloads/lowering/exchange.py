"""Activations on their way: rows to every unit beside the GPU that computes, its results back."""

from __future__ import annotations

import numpy as np

from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.shares import Shares
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose, Range, order_in_cell
from moe_cosim.workloads.program import CONTENTS, COPY, PURPOSES, READ, SIGNAL, WAIT, WRITE

_ACTIVATIONS = CONTENTS.index("activations")
_SYNCHRONISE, _DISPATCH = PURPOSES.index("synchronise"), PURPOSES.index("dispatch")


def lower_exchange(scene: Scene, shares: Shares, cell: Ints, gate_tokens: Ints) -> None:
    """One dispatch each way per cell, unit and kind (at once, deferred). `cell` is that of each run.

    Deferred results travel after the next MoE layer's own, and that layer merges them.
    """
    runs, sheet = scene.plan.runs, scene.sheet
    gpu_index = scene.plan.units.index(scene.gpu.name)
    remote = np.flatnonzero(shares.unit != gpu_index)
    if not len(remote):
        return
    run = shares.run[remote]
    late = runs["deferred"][run].astype(np.int64)
    units = len(scene.plan.units)
    groups, which = np.unique((cell[run] * 2 + late) * units + shares.unit[remote], return_inverse=True)
    group_cell, group_unit = np.divmod(groups, units)
    group_cell, deferred = np.divmod(group_cell, 2)
    moe_layers = len(scene.model.moe_layers)
    merged_cell = group_cell + deferred
    if (merged_cell // moe_layers != group_cell // moe_layers).any():
        raise ValueError("a deferred run in the last MoE layer has nowhere to be merged")
    step, layer = scene.step_and_layer(group_cell)
    # one row per token, however many experts of the device it visits; at most all tokens
    rows = np.minimum(np.bincount(which, weights=runs["tokens"][run]).astype(np.int64), scene.tokens(step))
    size = rows * ACTIVATION_BYTES * scene.model.hidden
    sent, done = sheet.new_tokens(len(groups)), sheet.new_tokens(len(groups))
    merges, merge = np.unique(merged_cell, return_inverse=True)
    returned = sheet.new_tokens(len(merges))
    order = order_in_cell(group_cell)
    lane = scene.dma_lane("activations")
    here = scene.layout.activations[scene.gpu.local_memory]
    unit_scratch = [
        scene.layout.activations[scene.machine.units[name].local_memory] if index != gpu_index else 0
        for index, name in enumerate(scene.plan.units)
    ]
    there = np.array(unit_scratch, dtype=np.int64)[group_unit]

    first = np.unique(group_cell, return_index=True)[1]
    place = Place(step[first], layer[first], slots.DISPATCH_WAIT)
    sheet.add(WAIT, lane, place, Purpose(_SYNCHRONISE), token=gate_tokens[group_cell[first]], count=1)
    sheet.add(
        COPY,
        lane,
        Place(step, layer, slots.DISPATCH, 2 * order),
        Purpose(_DISPATCH, tokens=rows),
        ranges=(Range(here, size, READ, _ACTIVATIONS), Range(there, size, WRITE, _ACTIVATIONS)),
    )
    place = Place(step, layer, slots.DISPATCH, 2 * order + 1)
    sheet.add(SIGNAL, lane, place, Purpose(_SYNCHRONISE), token=sent)

    # back: in the layer that merges, those of the layer before last
    order = order + 2 * units * deferred
    merge_layer = scene.model_layer(merged_cell % moe_layers)
    place = Place(step, merge_layer, slots.RETURN, 3 * order)
    sheet.add(WAIT, lane, place, Purpose(_SYNCHRONISE), token=done, count=1)
    sheet.add(
        COPY,
        lane,
        Place(step, merge_layer, slots.RETURN, 3 * order + 1),
        Purpose(_DISPATCH, tokens=rows),
        ranges=(Range(there, size, READ, _ACTIVATIONS), Range(here, size, WRITE, _ACTIVATIONS)),
    )
    place = Place(step, merge_layer, slots.RETURN, 3 * order + 2)
    sheet.add(SIGNAL, lane, place, Purpose(_SYNCHRONISE), token=returned[merge])
    place = Place(*scene.step_and_layer(merges), slots.GATHER)
    count = np.bincount(merge)
    sheet.add(WAIT, scene.gpu_lane, place, Purpose(_SYNCHRONISE), token=returned, count=count)

    for index, name in enumerate(scene.plan.units):
        for late_or_not, before, after in (
            (0, slots.DISPATCH, slots.RETURN),
            (1, slots.DEFERRED_DISPATCH, slots.DEFERRED_RETURN),
        ):
            own = (group_unit == index) & (deferred == late_or_not)
            if index == gpu_index or not own.any():
                continue
            near_lane = scene.machine.lane_id(name, scene.machine.units[name].lanes[0])
            place = Place(step[own], layer[own], before)
            sheet.add(WAIT, near_lane, place, Purpose(_SYNCHRONISE), token=sent[own], count=1)
            place = Place(step[own], layer[own], after)
            sheet.add(SIGNAL, near_lane, place, Purpose(_SYNCHRONISE), token=done[own])
