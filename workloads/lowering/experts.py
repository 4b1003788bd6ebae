"""Expert kernels on the GPU and near the data, and the activations that travel between."""

from __future__ import annotations

import numpy as np

from workloads.layout import ACTIVATION_BYTES
from workloads.lowering import slots
from workloads.lowering.moves import cells
from workloads.lowering.scene import Scene, model_of
from workloads.lowering.sheet import Ints, Place, Purpose, Range
from workloads.program import CONTENTS, COPY, PURPOSES, READ, SIGNAL, STREAM, WAIT, WRITE

_WEIGHTS, _ACTIVATIONS = CONTENTS.index("weights"), CONTENTS.index("activations")
_SYNCHRONISE, _DISPATCH = PURPOSES.index("synchronise"), PURPOSES.index("dispatch")

# order of one run's events in its lane
_ARRIVED, _KERNEL, _ENDED = range(3)
_PER_RUN = 3


def lower_experts(scene: Scene, arrival: Ints, run_tokens: Ints, gate_tokens: Ints) -> None:
    """All runs of the plan. Arguments as `lower_moves` takes and returns them."""
    runs = scene.plan.runs
    cell = cells(runs["step"], runs["layer"], len(scene.model.moe_layers))
    waits = _first_use_of_move(scene)
    for index, name in enumerate(scene.plan.units):
        rows = np.flatnonzero(runs["unit"] == index)
        if not len(rows):
            continue
        order = _execution_order(cell[rows], waits[rows])
        on_gpu = name == scene.gpu.name
        _kernels(scene, name, rows, cell, order, waits, slots.EXPERTS if on_gpu else slots.NEAR_DATA)
        lane = scene.machine.lane_id(name, scene.machine.units[name].lanes[0])
        layer = scene.model_layer(runs["layer"])
        slot = slots.EXPERTS if on_gpu else slots.NEAR_DATA
        waiting = waits[rows]
        sub = rows[waiting]
        place = Place(runs["step"][sub], layer[sub], slot, order[waiting] * _PER_RUN + _ARRIVED)
        scene.sheet.add(WAIT, lane, place, Purpose(_SYNCHRONISE), token=arrival[runs["move"][sub]], count=1)
        ending = run_tokens[rows] >= 0
        sub = rows[ending]
        place = Place(runs["step"][sub], layer[sub], slot, order[ending] * _PER_RUN + _ENDED)
        scene.sheet.add(SIGNAL, lane, place, Purpose(_SYNCHRONISE), token=run_tokens[sub])
    _exchange(scene, cell, gate_tokens)


def _first_use_of_move(scene: Scene) -> np.ndarray:
    """Whether a run is the first of its unit to use what a move brought: it must wait for it."""
    runs = scene.plan.runs
    first = np.zeros(len(runs), dtype=bool)
    moved = np.flatnonzero(runs["move"] >= 0)
    key = runs["move"][moved] * len(scene.plan.units) + runs["unit"][moved]
    first[moved[np.unique(key, return_index=True)[1]]] = True
    return first


def _execution_order(cell: Ints, waits: np.ndarray) -> Ints:
    """Rank within the cell: what is there first, then what arrives, in the plan's order."""
    by = np.lexsort((waits, cell))
    starts = np.searchsorted(cell[by], cell[by], side="left")
    rank = np.empty(len(cell), dtype=np.int64)
    rank[by] = np.arange(len(cell)) - starts
    return rank


def _kernels(scene: Scene, unit_name: str, rows: Ints, cell: Ints, order: Ints, waits: np.ndarray, slot: int) -> None:
    """One kernel per expert; experts that are at hand share one launch, as a grouped kernel does."""
    plan, model = scene.plan, scene.model
    unit = scene.machine.units[unit_name]
    unit_model = model_of(unit)
    runs = plan.runs[rows]
    bits = np.array([f.bits for f in plan.formats])[runs["format"]]
    size = np.array([f.expert_bytes(model.expert) for f in plan.formats])[runs["format"]]
    launches = (order == 0) | waits[rows]
    busy = unit_model.expert_ps(runs["tokens"], model.expert, bits)
    activation_bytes = ACTIVATION_BYTES * model.hidden * runs["tokens"]
    scratch = scene.layout.activations[unit.local_memory]
    scene.sheet.add(
        STREAM,
        scene.machine.lane_id(unit_name, unit.lanes[0]),
        Place(runs["step"], scene.model_layer(runs["layer"]), slot, order * _PER_RUN + _KERNEL),
        Purpose(PURPOSES.index("expert"), runs["expert"], bits, runs["tokens"]),
        setup_ps=np.where(launches, unit_model.expert_launch_ps, 0),
        busy_ps=busy,
        ranges=(
            Range(runs["address"], size, READ, _WEIGHTS),
            Range(scratch, activation_bytes, READ, _ACTIVATIONS),
            Range(scratch, activation_bytes, WRITE, _ACTIVATIONS),
        ),
    )


def _exchange(scene: Scene, cell: Ints, gate_tokens: Ints) -> None:
    """Rows to every NDP device that computes in a cell, and its results back to the GPU."""
    runs, sheet = scene.plan.runs, scene.sheet
    gpu_index = scene.plan.units.index(scene.gpu.name)
    remote = runs["unit"] != gpu_index
    if not remote.any():
        return
    group_key = cell[remote] * len(scene.plan.units) + runs["unit"][remote]
    groups, which = np.unique(group_key, return_inverse=True)
    group_cell, group_unit = np.divmod(groups, len(scene.plan.units))
    step, moe_layer = np.divmod(group_cell, len(scene.model.moe_layers))
    layer = scene.model_layer(moe_layer)
    # one row per token, however many experts of the device it visits; at most all tokens
    rows = np.minimum(np.bincount(which, weights=runs["tokens"][remote]).astype(np.int64), scene.tokens(step))
    size = rows * ACTIVATION_BYTES * scene.model.hidden
    sent, done = sheet.new_tokens(len(groups)), sheet.new_tokens(len(groups))
    first_of_cell = np.unique(group_cell, return_index=True)[1]
    returned = sheet.new_tokens(len(first_of_cell))
    per_cell = np.diff(first_of_cell, append=len(groups))
    order = np.arange(len(groups)) - np.repeat(first_of_cell, per_cell)
    lane = scene.dma_lane("activations")
    here = scene.layout.activations[scene.gpu.local_memory]
    unit_scratch = [
        scene.layout.activations[scene.machine.units[name].local_memory] if index != gpu_index else 0
        for index, name in enumerate(scene.plan.units)
    ]
    there = np.array(unit_scratch, dtype=np.int64)[group_unit]

    place = Place(step[first_of_cell], layer[first_of_cell], slots.DISPATCH_WAIT)
    token = gate_tokens[group_cell[first_of_cell]]
    sheet.add(WAIT, lane, place, Purpose(_SYNCHRONISE), token=token, count=1)
    sheet.add(
        COPY,
        lane,
        Place(step, layer, slots.DISPATCH, 2 * order),
        Purpose(_DISPATCH, tokens=rows),
        ranges=(Range(here, size, READ, _ACTIVATIONS), Range(there, size, WRITE, _ACTIVATIONS)),
    )
    place = Place(step, layer, slots.DISPATCH, 2 * order + 1)
    sheet.add(SIGNAL, lane, place, Purpose(_SYNCHRONISE), token=sent)
    place = Place(step, layer, slots.RETURN, 3 * order)
    sheet.add(WAIT, lane, place, Purpose(_SYNCHRONISE), token=done, count=1)
    sheet.add(
        COPY,
        lane,
        Place(step, layer, slots.RETURN, 3 * order + 1),
        Purpose(_DISPATCH, tokens=rows),
        ranges=(Range(there, size, READ, _ACTIVATIONS), Range(here, size, WRITE, _ACTIVATIONS)),
    )
    place = Place(step, layer, slots.RETURN, 3 * order + 2)
    sheet.add(SIGNAL, lane, place, Purpose(_SYNCHRONISE), token=np.repeat(returned, per_cell))
    place = Place(step[first_of_cell], layer[first_of_cell], slots.GATHER)
    sheet.add(WAIT, scene.gpu_lane, place, Purpose(_SYNCHRONISE), token=returned, count=per_cell)
    for index, name in enumerate(scene.plan.units):
        own = group_unit == index
        if index == gpu_index or not own.any():
            continue
        ndp_lane = scene.machine.lane_id(name, scene.machine.units[name].lanes[0])
        place = Place(step[own], layer[own], slots.DISPATCH)
        sheet.add(WAIT, ndp_lane, place, Purpose(_SYNCHRONISE), token=sent[own], count=1)
        place = Place(step[own], layer[own], slots.RETURN)
        sheet.add(SIGNAL, ndp_lane, place, Purpose(_SYNCHRONISE), token=done[own])
