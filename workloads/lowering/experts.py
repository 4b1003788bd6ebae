"""Expert kernels on the GPU, the CPU and near the data, and the activations that travel between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.exchange import lower_exchange
from moe_cosim.workloads.lowering.scene import Scene, model_of
from moe_cosim.workloads.lowering.shares import Shares, shares_of
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose, Range
from moe_cosim.workloads.program import CONTENTS, PURPOSES, READ, SIGNAL, STREAM, WAIT, WRITE
from moe_cosim.workloads.stripes import STRIPED, is_striped

_WEIGHTS, _ACTIVATIONS = CONTENTS.index("weights"), CONTENTS.index("activations")
_SYNCHRONISE = PURPOSES.index("synchronise")

# order of one run's events in its lane
_ARRIVED, _KERNEL, _ENDED = range(3)
_PER_RUN = 3


def lower_experts(scene: Scene, run_tokens: Ints, gate_tokens: Ints) -> None:
    """All runs of the plan. Arguments as `lower_moves` takes and returns them."""
    runs = scene.plan.runs
    cell = scene.cells(runs["step"], runs["layer"])
    shares = shares_of(scene.plan)
    layer = scene.model_layer(runs["layer"])
    waits = _first_use_of_move(scene, shares)
    for index, name in enumerate(scene.plan.units):
        lane = scene.machine.lane_id(name, scene.machine.units[name].lanes[0])
        near = slots.EXPERTS if name == scene.gpu.name else slots.NEAR_DATA
        for slot, deferred in ((near, False), (slots.DEFERRED, True)):
            mine = np.flatnonzero((shares.unit == index) & (runs["deferred"][shares.run] == deferred))
            if not len(mine):
                continue
            own, rows = shares.of(mine), shares.run[mine]
            order = _execution_order(cell[rows], waits[mine])
            _kernels(scene, name, own, order, waits[mine], slot)
            waiting = waits[mine]
            sub = rows[waiting]
            place = Place(runs["step"][sub], layer[sub], slot, order[waiting] * _PER_RUN + _ARRIVED)
            scene.sheet.add(
                WAIT, lane, place, Purpose(_SYNCHRONISE), token=scene.carried.arrival(runs["move"][sub]), count=1
            )
            ending = run_tokens[rows] >= 0
            sub = rows[ending]
            place = Place(runs["step"][sub], layer[sub], slot, order[ending] * _PER_RUN + _ENDED)
            scene.sheet.add(SIGNAL, lane, place, Purpose(_SYNCHRONISE), token=run_tokens[sub])
    lower_exchange(scene, shares, cell, gate_tokens)


def _first_use_of_move(scene: Scene, shares: Shares) -> np.ndarray:
    """Whether a share is the first of its unit to use what a move brought: it must wait for it."""
    move = scene.plan.runs["move"][shares.run]
    first = np.zeros(len(move), dtype=bool)
    moved = np.flatnonzero(move >= 0)
    key = move[moved] * len(scene.plan.units) + shares.unit[moved]
    earliest = moved[np.unique(key, return_index=True)[1]]
    first[earliest[scene.carried.use(move[earliest], shares.unit[earliest])]] = True
    return first


def _execution_order(cell: Ints, waits: np.ndarray) -> Ints:
    """Rank within the cell: what is there first, then what arrives, in the plan's order."""
    by = np.lexsort((waits, cell))
    starts = np.searchsorted(cell[by], cell[by], side="left")
    rank = np.empty(len(cell), dtype=np.int64)
    rank[by] = np.arange(len(cell)) - starts
    return rank


def _kernels(scene: Scene, unit_name: str, shares: Shares, order: Ints, waits: np.ndarray, slot: int) -> None:
    """One kernel per expert; experts that are at hand share one launch, as a grouped kernel does."""
    striped = is_striped(scene.plan.runs["address"][shares.run])
    slices = shares.slices
    for width in np.unique(slices).tolist():
        for spread in (False, True):
            some = np.flatnonzero((slices == width) & (striped == spread))
            if len(some):
                _kernels_alike(scene, unit_name, shares.of(some), order[some], waits[some], slot, spread)


def _kernels_alike(
    scene: Scene, unit_name: str, shares: Shares, order: Ints, waits: np.ndarray, slot: int, striped: bool
) -> None:
    """Kernels whose weights lie alike: in one range, in all parts of a stripe, or in one of them."""
    plan, model = scene.plan, scene.model
    unit = scene.machine.units[unit_name]
    unit_model = model_of(unit)
    runs = plan.runs[shares.run]
    bits = np.array([f.bits for f in plan.formats])[runs["format"]]
    sizes = [f.expert_bytes(model.expert) for f in plan.formats]
    launches = (order == 0) | waits
    slices = int(shares.slices[0])
    shape = replace(model.expert, intermediate=-(-model.expert.intermediate // slices))
    busy = unit_model.expert_ps(runs["tokens"], shape, bits)
    activation_bytes = ACTIVATION_BYTES * model.hidden * runs["tokens"]
    scratch = scene.layout.activations[unit.local_memory]
    for index in np.unique(runs["format"]).tolist() if striped or slices > 1 else [-1]:
        same = np.flatnonzero((runs["format"] == index) | (index < 0))
        if index < 0:
            weights = [Range(runs["address"], np.array(sizes)[runs["format"]], READ, _WEIGHTS)]
        else:
            weights = _parts(scene, shares.of(same), sizes[index])
        scene.sheet.add(
            STREAM,
            scene.machine.lane_id(unit_name, unit.lanes[0]),
            Place(runs["step"][same], scene.model_layer(runs["layer"])[same], slot, order[same] * _PER_RUN + _KERNEL),
            Purpose(PURPOSES.index("expert"), runs["expert"][same], bits[same], runs["tokens"][same]),
            setup_ps=np.where(launches, unit_model.expert_launch_ps, 0)[same],
            busy_ps=busy[same],
            ranges=(
                *weights,
                Range(scratch, activation_bytes[same], READ, _ACTIVATIONS),
                Range(scratch, activation_bytes[same], WRITE, _ACTIVATIONS),
            ),
        )


def _parts(scene: Scene, shares: Shares, size: int) -> list[Range]:
    """What one unit reads of striped copies of `size` bytes: all parts, or in a team its own."""
    stripes = scene.plan.stripes
    address = scene.plan.runs["address"][shares.run]
    if stripes is None:
        raise ValueError("a team computes a copy that is not striped over its members")
    parts = stripes.sizes(size)
    if shares.slices[0] == 1:
        return [Range(stripes.part(address, part), parts[part], READ, _WEIGHTS) for part in range(len(parts))]
    starts = np.array(stripes.starts, dtype=np.int64)[shares.slice]
    return [Range(address - STRIPED + starts, parts[shares.slice], READ, _WEIGHTS)]
