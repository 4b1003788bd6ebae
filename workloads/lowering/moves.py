"""Weights on their way: to the GPU, between memories, into and out of stripes; what waits for what."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from moe_cosim.hw_models.components import Unit
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose, Range, order_in_cell
from moe_cosim.workloads.program import CONTENTS, COPY, PURPOSES, READ, SIGNAL, WAIT, WRITE
from moe_cosim.workloads.stripes import is_striped

_WEIGHTS = CONTENTS.index("weights")
_SYNCHRONISE = Purpose(PURPOSES.index("synchronise"))

# order of one move's events in its lane
_GATE, _AFTER_RUN, _AFTER_MOVE, _COPY, _DONE, _SETTLED = range(6)
_PER_MOVE = 6


class Triggers(NamedTuple):
    """Tokens [cells] of what the GPU tells other lanes; -1 where nobody waits for it."""

    start: Ints
    """The layer begins."""
    gate: Ints
    """Its gate is known."""


def lower_moves(scene: Scene, triggers: Triggers) -> Ints:
    """Copies of all moves. Returns, per run, the token that its end must signal (-1: none)."""
    plan, sheet = scene.plan, scene.sheet
    moves, runs = plan.moves, plan.runs
    run_tokens = np.full(len(runs), -1, dtype=np.int64)
    if not len(moves):
        return run_tokens
    arrival = sheet.new_tokens(len(moves))
    cell = scene.cells(moves["step"], moves["layer"])
    order = order_in_cell(cell) * _PER_MOVE
    layer = scene.model_layer(moves["layer"])
    lanes = _lanes(scene)
    after_run = _same_cell_runs(scene, cell)
    after_move = scene.carried.add_moves(arrival, moves["target"], lanes)
    blocked = after_run >= 0
    run_tokens[after_run[blocked]] = sheet.new_tokens(int(blocked.sum()))
    settled, settled_token = _settling(scene, cell)
    for lane in np.unique(lanes).tolist():
        mine = lanes == lane

        def place(rows: Ints, part: int) -> Place:
            return Place(moves["step"][rows], layer[rows], slots.MOVES, order[rows] + part)

        for early, tokens in ((True, triggers.start), (False, triggers.gate)):
            first = np.flatnonzero(mine & (moves["early"] == early))
            first = first[np.unique(cell[first], return_index=True)[1]]
            sheet.add(WAIT, lane, place(first, _GATE), _SYNCHRONISE, token=tokens[cell[first]], count=1)
        rows = np.flatnonzero(mine & blocked)
        token, count = run_tokens[after_run[rows]], _sharers(scene)[after_run[rows]]
        sheet.add(WAIT, lane, place(rows, _AFTER_RUN), _SYNCHRONISE, token=token, count=count)
        rows = np.flatnonzero(mine & (after_move >= 0))
        token = scene.carried.arrival(after_move[rows])
        sheet.add(WAIT, lane, place(rows, _AFTER_MOVE), _SYNCHRONISE, token=token, count=1)
        _copies(scene, lane, np.flatnonzero(mine), order + _COPY)
        rows = np.flatnonzero(mine)
        sheet.add(SIGNAL, lane, place(rows, _DONE), _SYNCHRONISE, token=arrival[rows])
        rows = np.flatnonzero(mine & settled)
        sheet.add(SIGNAL, lane, place(rows, _SETTLED), _SYNCHRONISE, token=settled_token[cell[rows]])
    return run_tokens


def _copies(scene: Scene, lane: int, rows: Ints, order: Ints) -> None:
    """One copy per move; a pair of ranges for each part of a striped end."""
    moves, stripes, formats = scene.plan.moves[rows], scene.plan.stripes, scene.plan.formats
    layer = scene.model_layer(moves["layer"])
    spread = is_striped(moves["source"]), is_striped(moves["target"])
    for index in np.unique(moves["format"]).tolist():
        size = formats[index].expert_bytes(scene.model.expert)
        for kind in range(4):
            from_stripe, to_stripe = bool(kind & 1), bool(kind & 2)
            some = (moves["format"] == index) & (spread[0] == from_stripe) & (spread[1] == to_stripe)
            if not some.any():
                continue
            source, target = moves["source"][some], moves["target"][some]
            ranges: list[Range] = []
            if stripes is None or not kind:
                ranges = [Range(source, size, READ, _WEIGHTS), Range(target, size, WRITE, _WEIGHTS)]
            else:
                parts = stripes.sizes(size)
                before = np.cumsum(parts) - parts
                for part in range(len(parts)):
                    a = stripes.part(source, part) if from_stripe else source + before[part]
                    b = stripes.part(target, part) if to_stripe else target + before[part]
                    ranges.append(Range(a, parts[part], READ, _WEIGHTS))
                    ranges.append(Range(b, parts[part], WRITE, _WEIGHTS))
            scene.sheet.add(
                COPY,
                lane,
                Place(moves["step"][some], layer[some], slots.MOVES, order[rows[some]]),
                Purpose(PURPOSES.index("move weights"), moves["expert"][some], formats[index].bits),
                ranges=tuple(ranges),
            )


def _lanes(scene: Scene) -> Ints:
    """The lane that makes each move: the GPU's engine where it takes part, else that of the module whose
    memory holds the whole copy (its source, of two)."""
    moves, machine = scene.plan.moves, scene.machine
    gpu = list(machine.memories).index(scene.gpu.local_memory)
    source, target = machine.memory_index(moves["source"]), machine.memory_index(moves["target"])
    on_gpu = (source == gpu) | (target == gpu)
    lanes = np.where(moves["prefetch"], scene.dma_lane("prefetch"), scene.dma_lane("weights"))
    if on_gpu.all():
        return lanes
    beside = np.full(len(machine.memory_list), -1, dtype=np.int64)
    for index, memory in enumerate(machine.memory_list):
        engine = _engine_beside(scene, memory.name)
        if engine is not None:
            beside[index] = machine.lane_id(engine.name, engine.lanes[0])
    whole = np.where(source >= 0, source, target)
    found = beside[whole]
    if (found[~on_gpu] < 0).any() or (whole[~on_gpu] < 0).any():
        raise ValueError("a move between memories that no DMA engine is beside")
    return np.asarray(np.where(on_gpu, lanes, found))


def _engine_beside(scene: Scene, memory: str) -> Unit | None:
    return next((unit for unit in scene.machine.copy_units if unit.local_memory == memory), None)


def _settling(scene: Scene, cell: Ints) -> tuple[np.ndarray, Ints]:
    """Which moves the GPU waits for before it combines, and each cell's token for it.

    The early ones, and those between homes: what they leave is free when the layer has ended.
    """
    moves = scene.plan.moves
    memory = scene.machine.memory_index(moves["target"])
    gpu = list(scene.machine.memories).index(scene.gpu.local_memory)
    early = moves["early"] | (memory != gpu)
    which, count = np.unique(cell[early], return_counts=True)
    token = np.full(scene.cell_count, -1, dtype=np.int64)
    token[which] = scene.sheet.new_tokens(len(which))
    place = Place(*scene.step_and_layer(which), slots.GATHER, 1)
    scene.sheet.add(WAIT, scene.gpu_lane, place, _SYNCHRONISE, token=token[which], count=count)
    return early, token


def _same_cell_runs(scene: Scene, cell: Ints) -> Ints:
    """[moves] the block's run that a move must wait for, where the GPU's own order does not see to it already; -1."""
    after = scene.plan.moves["after_run"] - scene.plan.first_run
    after[after < 0] = -1
    runs = scene.plan.runs
    given = np.flatnonzero(after >= 0)
    run_cell = scene.cells(runs["step"], runs["layer"])[after[given]]
    # a run of an earlier layer ended before this layer began; a deferred one runs on in the next
    last_cell = run_cell + runs["deferred"][after[given]]
    after[given[last_cell < cell[given]]] = -1
    return after


def _sharers(scene: Scene) -> Ints:
    """[runs] units that compute each run, all of which say when they have ended."""
    sizes = [1] * len(scene.plan.units) + [len(team) for team in scene.plan.teams]
    return np.asarray(np.array(sizes, dtype=np.int64)[scene.plan.runs["unit"]])
