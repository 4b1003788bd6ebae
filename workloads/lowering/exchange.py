"""Activations on their way: rows to every unit beside the GPU that computes, its results back."""

from __future__ import annotations

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.units.kinds import Role
from moe_cosim.quantity import format_quantity
from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.order import order_in_cell, starts
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.shares import Shares
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose, Range
from moe_cosim.workloads.programs.program import COMPUTE, CONTENTS, COPY, PURPOSES, READ, SIGNAL, WAIT, WRITE

_ACTIVATIONS = CONTENTS.index("activations")
_SYNCHRONISE = Purpose(PURPOSES.index("synchronise"))


def lower_exchange(scene: Scene, shares: Shares, gate_tokens: Ints) -> None:
    """One dispatch each way per cell, unit and kind (at once, deferred).

    Deferred results travel after the next MoE layer's own, and that layer merges them. `gate_tokens` [cells]: the token
    that each layer's gate signals.
    """
    runs, sheet = scene.plan.runs, scene.sheet
    remote = np.flatnonzero(shares.unit != scene.gpu_index)
    if not len(remote):
        return
    run, units = shares.run[remote], [scene.machine.units[name] for name in scene.plan.units]
    key = (scene.run_cell[run] * 2 + runs["deferred"][run]) * len(units) + shares.unit[remote]
    groups = np.flatnonzero(np.bincount(key))
    cell, unit = np.divmod(groups, len(units))
    cell, deferred = np.divmod(cell, 2)
    merged = cell + deferred
    moe_layers = len(scene.moe_layers)
    if (merged // moe_layers != cell // moe_layers).any():
        raise ValueError("a deferred run in the last MoE layer has nowhere to be merged")
    step, layer = scene.step_and_layer(cell)
    # one row per token, however many experts of the device it visits; at most all tokens
    wanted = np.bincount(key, weights=runs["tokens"][run])[groups].astype(np.int64)
    rows = np.minimum(wanted, scene.tokens(step, layer))
    size = rows * ACTIVATION_BYTES * scene.model.hidden
    sent, done = sheet.new_tokens(len(groups)), sheet.new_tokens(len(groups))
    results = np.bincount(merged)
    merges = np.flatnonzero(results)
    returned = np.empty_like(results)
    returned[merges] = sheet.new_tokens(len(merges))
    order = order_in_cell(starts(cell))
    dma = scene.dma_lane("activations")
    here = scene.layout.activations[scene.gpu.local_memory]
    there = np.array([scene.layout.activations[each.local_memory] for each in units])[unit]
    _check_room(scene, [each.local_memory for each in units], unit, size)
    # rows of the tokens that are routed there are picked from among all, and lie one after the other there
    row = ACTIVATION_BYTES * scene.model.hidden
    outward = Range(here, size, READ, _ACTIVATIONS, block_bytes=row), Range(there, size, WRITE, _ACTIVATIONS)
    back = Range(there, size, READ, _ACTIVATIONS), Range(here, size, WRITE, _ACTIVATIONS, block_bytes=row)
    purpose = Purpose(PURPOSES.index("dispatch"), tokens=rows)

    first = np.flatnonzero(starts(cell))
    place = Place(step[first], layer[first], slots.DISPATCH_WAIT)
    sheet.add(WAIT, dma, place, _SYNCHRONISE, token=gate_tokens[cell[first]], count=1)
    copy_ps, hybrid_ps = scene.software.copy_ps, scene.software.hybrid_layer_ps
    sheet.add(COPY, dma, Place(step, layer, slots.DISPATCH, 2 * order), purpose, setup_ps=copy_ps, ranges=outward)
    sheet.add(SIGNAL, dma, Place(step, layer, slots.DISPATCH, 2 * order + 1), _SYNCHRONISE, token=sent)

    # back: in the layer that merges, those of the layer before last
    last = 3 * (order + 2 * len(units) * deferred)
    merge_layer = scene.step_and_layer(merged)[1]
    place = Place(step, merge_layer, slots.RETURN, last)
    sheet.add(WAIT, dma, place, _SYNCHRONISE, token=done, count=1)
    sheet.add(COPY, dma, Place(step, merge_layer, slots.RETURN, last + 1), purpose, setup_ps=copy_ps, ranges=back)
    place = Place(step, merge_layer, slots.RETURN, last + 2)
    sheet.add(SIGNAL, dma, place, _SYNCHRONISE, token=returned[merged])
    place = Place(*scene.step_and_layer(merges), slots.GATHER)
    sheet.add(WAIT, scene.gpu_lane, place, _SYNCHRONISE, token=returned[merges], count=results[merges])

    near = np.array([scene.machine.lane_id(each.name, each.lanes[0]) for each in units])[unit]
    before_slot = np.where(deferred, slots.DEFERRED_DISPATCH, slots.DISPATCH)
    sheet.add(WAIT, near, Place(step, layer, before_slot), _SYNCHRONISE, token=sent, count=1)
    on_host = np.flatnonzero(np.array([each.role is Role.HOST for each in units])[unit])
    if hybrid_ps and len(on_host):
        place = Place(step[on_host], layer[on_host], before_slot[on_host], 1)
        sheet.add(COMPUTE, near[on_host], place, Purpose(PURPOSES.index("host")), busy_ps=hybrid_ps)
    after = Place(step, layer, np.where(deferred, slots.DEFERRED_RETURN, slots.RETURN))
    sheet.add(SIGNAL, near, after, _SYNCHRONISE, token=done)


def _check_room(scene: Scene, memories: list[str], unit: Ints, size: Ints) -> None:
    """`InputError` where activations are more than the memory beside a unit has room for (a host's cache, say)."""
    most = np.zeros(len(memories), np.int64)
    np.maximum.at(most, unit, size)
    for memory, needed in zip(memories, most.tolist(), strict=True):
        room = scene.layout.activation_bytes[memory]
        if needed > room:
            found = Plain(f"{format_quantity(needed, 'bytes')} of activations at once for {memory}")
            allowed = (
                f"at most the {format_quantity(room, 'bytes')} it has for them: fewer sequences or shorter prompts"
            )
            raise InputError(f"machine {scene.machine.name}", "workload", found, allowed)
