"""Weights on their way: to the GPU, between memories, into and out of stripes; what waits for what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.components import Unit
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.from_flash import PER_MOVE, drives, lower_reads
from moe_cosim.workloads.lowering.order import grouped, order_in_cell, segments, starts
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose, Range
from moe_cosim.workloads.programs.program import CONTENTS, COPY, PURPOSES, READ, SIGNAL, WAIT, WRITE
from moe_cosim.workloads.stripes import is_striped

_WEIGHTS = CONTENTS.index("weights")
_SYNCHRONISE = Purpose(PURPOSES.index("synchronise"))

# order of one move's events in its lane
_GATE, _READ, _AFTER_RUN, _AFTER_MOVE, _COPY, _DONE, _SETTLED = range(PER_MOVE)


class Triggers(NamedTuple):
    """Tokens [cells] of what the GPU tells other lanes; -1 where nobody waits for it."""

    start: Ints
    """The layer begins."""
    gate: Ints
    """Its gate is known."""


def lower_moves(scene: Scene, triggers: Triggers) -> Ints:
    """Copies of all moves. Returns, [runs], the token that the end of each must signal (-1: none)."""
    plan, sheet = scene.plan, scene.sheet
    moves, runs = plan.moves, plan.runs
    run_tokens = np.full(len(runs), -1, dtype=np.int64)
    if not len(moves):
        return run_tokens
    arrival = sheet.new_tokens(len(moves))
    cell = scene.cells(moves["step"], moves["layer"])
    step, layer = scene.step_and_layer(cell)
    order = order_in_cell(starts(cell)) * PER_MOVE
    source, target, early = moves["source"], moves["target"], moves["early"]
    memory = scene.machine.memory_index(np.concatenate((source, target))).reshape(2, -1)
    drive = drives(scene, memory[0], memory[1], moves["prefetch"])
    buffered = lower_reads(scene, cell, order, np.where(drive.stops, drive.lane, -1), *triggers)
    lanes = np.where((drive.lane >= 0) & ~drive.stops, drive.lane, _lanes(scene, *memory))
    after_run = _same_cell_runs(scene, cell)
    after_move = scene.carried.add_moves(arrival, target, lanes)
    blocked = after_run >= 0
    run_tokens[after_run[blocked]] = sheet.new_tokens(int(np.count_nonzero(blocked)))
    # the early ones, and those between homes: what they leave is free when the layer has ended
    settled = _settling(scene, cell, early | (memory[1] != scene.gpu_memory))

    def place(rows: Ints, part: int) -> Place:
        return Place(step[rows], layer[rows], slots.MOVES, order[rows] + part)

    for mine in segments(lanes, grouped(lanes)):
        lane = int(lanes[mine[0]])
        for asked, tokens in ((early[mine], triggers.start), (~early[mine], triggers.gate)):
            first = mine[asked]
            first = first[starts(cell[first])]
            sheet.add(WAIT, lane, place(first, _GATE), _SYNCHRONISE, token=tokens[cell[first]], count=1)
        rows = mine[buffered.read[mine] >= 0]
        if len(rows):
            sheet.add(WAIT, lane, place(rows, _READ), _SYNCHRONISE, token=buffered.read[rows], count=1)
        rows = mine[blocked[mine]]
        if len(rows):
            token, count = run_tokens[after_run[rows]], _sharers(scene)[after_run[rows]]
            sheet.add(WAIT, lane, place(rows, _AFTER_RUN), _SYNCHRONISE, token=token, count=count)
        rows = mine[after_move[mine] >= 0]
        if len(rows):
            token = scene.carried.arrival(after_move[rows])
            sheet.add(WAIT, lane, place(rows, _AFTER_MOVE), _SYNCHRONISE, token=token, count=1)
        for rows, formats, ranges in _copies(scene, mine, buffered.source):
            bits, expert = np.array([each.bits for each in plan.formats])[formats], moves["expert"][rows]
            purpose = Purpose(PURPOSES.index("move weights"), expert, bits)
            sheet.add(COPY, lane, place(rows, _COPY), purpose, setup_ps=scene.software.copy_ps, ranges=ranges)
        sheet.add(SIGNAL, lane, place(mine, _DONE), _SYNCHRONISE, token=arrival[mine])
        rows = mine[settled[mine] >= 0]
        if len(rows):
            sheet.add(SIGNAL, lane, place(rows, _SETTLED), _SYNCHRONISE, token=settled[rows])
    return run_tokens


def _copies(scene: Scene, rows: Ints, source: Ints) -> Iterator[tuple[Ints, Ints, tuple[Range, ...]]]:
    """Rows of moves whose two ends lie alike, their formats and ranges: a pair for each part of a striped end."""
    moves = scene.plan.moves
    sources, targets, formats = source[rows], moves["target"][rows], moves["format"][rows].astype(np.int64)
    sizes = np.array([each.expert_bytes(scene.model.expert) for each in scene.plan.formats])
    spread = is_striped(sources) + 2 * is_striped(targets)
    kind = formats * 4 + spread
    # neighbours that lie in one range at both ends make one column, whatever their format
    for alike in segments(np.where(spread == 0, -1, kind), grouped(kind)):
        source, target, of = sources[alike], targets[alike], formats[alike]
        if spread[alike[0]] == 0:
            ranges = [Range(source, sizes[of], READ, _WEIGHTS), Range(target, sizes[of], WRITE, _WEIGHTS)]
        else:
            ranges = _parts(scene, source, target, int(sizes[of[0]]))
        yield rows[alike], of, tuple(ranges)


def _parts(scene: Scene, source: Ints, target: Ints, size: int) -> list[Range]:
    """Ranges of copies of `size` bytes that all leave a stripe, or a place, for a stripe, or a place."""
    stripes = scene.plan.stripes
    if stripes is None:
        raise ValueError("a striped copy in a plan without stripes")
    from_stripe, to_stripe = is_striped(source)[0], is_striped(target)[0]
    ranges: list[Range] = []
    before = 0
    for part, length in enumerate(stripes.sizes(size).tolist()):
        at = stripes.part(part)
        ranges.append(Range(source, length, READ, _WEIGHTS, at if from_stripe else before))
        ranges.append(Range(target, length, WRITE, _WEIGHTS, at if to_stripe else before))
        before += length
    return ranges


def _lanes(scene: Scene, source: Ints, target: Ints) -> Ints:
    """The lane that makes each move between memories, flash aside: the GPU's engine where it takes part, else that of
    the module whose memory holds the whole copy (its source, of two)."""
    machine = scene.machine
    on_gpu = (source == scene.gpu_memory) | (target == scene.gpu_memory)
    lanes = np.where(scene.plan.moves["prefetch"], scene.dma_lane("prefetch"), scene.dma_lane("weights"))
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


def _settling(scene: Scene, cell: Ints, which: NDArray[np.bool_]) -> Ints:
    """[moves] token by which the moves of `which` tell the GPU, before it combines the cell, that they have ended;
    -1 for the others."""
    token = np.full(len(cell), -1, dtype=np.int64)
    if which.any():
        count = np.bincount(cell[which])
        cells = np.flatnonzero(count)
        of_cell = np.empty_like(count)
        of_cell[cells] = scene.sheet.new_tokens(len(cells))
        place = Place(*scene.step_and_layer(cells), slots.GATHER + scene.last_band, 1)
        scene.sheet.add(WAIT, scene.gpu_lane, place, _SYNCHRONISE, token=of_cell[cells], count=count[cells])
        token[which] = of_cell[cell[which]]
    return token


def _same_cell_runs(scene: Scene, cell: Ints) -> Ints:
    """[moves] the block's run that a move must wait for, where the GPU's own order does not see to it already; -1."""
    after = scene.plan.moves["after_run"] - scene.plan.first_run
    after[after < 0] = -1
    given = np.flatnonzero(after >= 0)
    # a run of an earlier layer ended before this layer began; a deferred one runs on in the next
    last_cell = scene.run_cell[after[given]] + scene.plan.runs["deferred"][after[given]]
    after[given[last_cell < cell[given]]] = -1
    return after


def _sharers(scene: Scene) -> Ints:
    """[runs] units that compute each run, all of which say when they have ended."""
    sizes = [1] * len(scene.plan.units) + [len(team) for team in scene.plan.teams]
    return np.asarray(np.array(sizes, dtype=np.int64)[scene.plan.runs["unit"]])
