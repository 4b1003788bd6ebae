"""Experts that come from flash: the drive's own engine reads them, by way of host memory into a buffer there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.order import grouped, segments, starts
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose, Range
from moe_cosim.workloads.programs.program import CONTENTS, COPY, PURPOSES, READ, SIGNAL, WAIT, WRITE

_SYNCHRONISE = Purpose(PURPOSES.index("synchronise"))
_WEIGHTS = CONTENTS.index("weights")

# order of one read's events in its lane
_ASKED, _COPY, _READ = range(3)
PER_MOVE = 7
"""Events of a move in a lane, at most."""


class Buffered(NamedTuple):
    """Of each move [moves], what the GPU's engine copies."""

    source: Ints
    """Where it lies: at home, or in its buffer."""
    read: Ints
    """Token that says it lies there; -1 of what is at home."""


class Drives(NamedTuple):
    """Of each move [moves]."""

    lane: Ints
    """Of the drive's engine that reads it; -1 where its source is no flash memory."""
    stops: NDArray[np.bool_]
    """Whether it goes by way of host memory."""


def drives(scene: Scene, source: Ints, target: Ints, prefetch: NDArray[np.bool_]) -> Drives:
    """`source` and `target` [moves] are indices of memories, -1 of striped copies (none of which is in flash)."""
    machine, found = scene.machine, Drives(np.full(len(source), -1), np.zeros(len(source), dtype=np.bool_))
    for index, memory in enumerate(machine.memory_list):
        if memory.flash is None:
            continue
        own = source == index
        engine = next(u for u in machine.copy_units if u.local_memory == memory.name and u.command_bytes)
        first, last = (machine.lane_id(engine.name, engine.lanes[side]) for side in (0, -1))
        found.lane[own] = np.where(prefetch[own], last, first)
        stops = [machine.bounce_memory(memory.name, other.name) is not None for other in machine.memory_list]
        found.stops[own] = np.array(stops)[target[own]]
    return found


def lower_reads(scene: Scene, cell: Ints, order: Ints, lanes: Ints, start: Ints, gate: Ints) -> Buffered:
    """Copies into buffers of the moves whose drive's lane is in `lanes` (-1: none), and where all moves then start.

    `order` [moves] of each in its cell; `start` and `gate` [cells] as in `Triggers`.
    """
    plan, sheet = scene.plan, scene.sheet
    moves, source = plan.moves, plan.moves["source"].copy()
    read = np.full(len(moves), -1, dtype=np.int64)
    stopped = np.flatnonzero(lanes >= 0)
    if not len(stopped):
        return Buffered(source, read)
    if plan.bounce is None:
        raise ValueError("moves by way of host memory in a plan without buffers there")
    read[stopped] = sheet.new_tokens(len(stopped))
    buffer = plan.bounce.places(moves["expert"], moves["prefetch"])
    source[stopped] = buffer[stopped]
    step, layer = scene.step_and_layer(cell)
    sizes = np.array([each.expert_bytes(scene.model.expert) for each in plan.formats])
    bits = np.array([each.bits for each in plan.formats])

    def place(rows: Ints, part: int) -> Place:
        return Place(step[rows], layer[rows], slots.MOVES, order[rows] + part)

    for of_lane in segments(lanes[stopped], grouped(lanes[stopped])):
        mine = stopped[of_lane]
        lane, early = int(lanes[mine[0]]), moves["early"][mine]
        for asked, tokens in ((early, start), (~early, gate)):
            first = mine[asked]
            first = first[starts(cell[first])]
            sheet.add(WAIT, lane, place(first, _ASKED), _SYNCHRONISE, token=tokens[cell[first]], count=1)
        of = moves["format"][mine].astype(np.int64)
        ends = (
            Range(moves["source"][mine], sizes[of], READ, _WEIGHTS),
            Range(buffer[mine], sizes[of], WRITE, _WEIGHTS),
        )
        purpose = Purpose(PURPOSES.index("move weights"), moves["expert"][mine], bits[of])
        sheet.add(COPY, lane, place(mine, _COPY), purpose, setup_ps=scene.software.copy_ps, ranges=ends)
        sheet.add(SIGNAL, lane, place(mine, _READ), _SYNCHRONISE, token=read[mine])
    return Buffered(source, read)
