"""Weights on their way to the GPU, and what waits for what."""

from __future__ import annotations

import numpy as np

from workloads.lowering import slots
from workloads.lowering.scene import Scene
from workloads.lowering.sheet import Ints, Place, Purpose, Range
from workloads.program import CONTENTS, COPY, PURPOSES, READ, SIGNAL, WAIT, WRITE

_WEIGHTS = CONTENTS.index("weights")
_SYNCHRONISE = PURPOSES.index("synchronise")

# order of one move's events in its lane
_GATE, _AFTER_RUN, _AFTER_MOVE, _COPY, _DONE = range(5)
_PER_MOVE = 5


def cells(step: Ints, layer: Ints, moe_layers: int) -> Ints:
    """Number of a (step, MoE layer) cell."""
    return step.astype(np.int64) * moe_layers + layer


def lower_moves(scene: Scene, gate_tokens: Ints) -> tuple[Ints, Ints]:
    """Copies of all moves. `gate_tokens` [cells] says which token tells that a gate is known.

    Returns, per move, the token that says it has arrived, and per run the token that its end must
    signal (-1: none).
    """
    plan, sheet = scene.plan, scene.sheet
    moves, runs = plan.moves, plan.runs
    run_tokens = np.full(len(runs), -1, dtype=np.int64)
    arrival = sheet.new_tokens(len(moves))
    if not len(moves):
        return arrival, run_tokens
    moe_layers = len(scene.model.moe_layers)
    cell = cells(moves["step"], moves["layer"], moe_layers)
    bits = np.array([f.bits for f in plan.formats])[moves["format"]]
    size = np.array([f.expert_bytes(scene.model.expert) for f in plan.formats])[moves["format"]]
    order = _order_in_cell(cell) * _PER_MOVE
    layer = scene.model_layer(moves["layer"])
    after_run = _same_cell_runs(scene, cell)
    after_move = _earlier_on_other_lane(moves["target"], moves["prefetch"])
    blocked = after_run >= 0
    run_tokens[after_run[blocked]] = sheet.new_tokens(int(blocked.sum()))
    signalled = np.zeros(len(moves), dtype=bool)
    signalled[runs["move"][runs["move"] >= 0]] = True
    signalled[after_move[after_move >= 0]] = True
    for prefetch, lane_name in ((False, "weights"), (True, "prefetch")):
        mine = moves["prefetch"] == prefetch
        lane = scene.dma_lane(lane_name)

        def place(rows: Ints, part: int) -> Place:
            return Place(moves["step"][rows], layer[rows], slots.MOVES, order[rows] + part)

        first = np.flatnonzero(mine)
        first = first[np.unique(cell[first], return_index=True)[1]]
        token = gate_tokens[cell[first]]
        sheet.add(WAIT, lane, place(first, _GATE), Purpose(_SYNCHRONISE), token=token, count=1)
        rows = np.flatnonzero(mine & blocked)
        token = run_tokens[after_run[rows]]
        sheet.add(WAIT, lane, place(rows, _AFTER_RUN), Purpose(_SYNCHRONISE), token=token, count=1)
        rows = np.flatnonzero(mine & (after_move >= 0))
        token = arrival[after_move[rows]]
        sheet.add(WAIT, lane, place(rows, _AFTER_MOVE), Purpose(_SYNCHRONISE), token=token, count=1)
        rows = np.flatnonzero(mine)
        sheet.add(
            COPY,
            lane,
            place(rows, _COPY),
            Purpose(PURPOSES.index("move weights"), moves["expert"][rows], bits[rows]),
            ranges=(
                Range(moves["source"][rows], size[rows], READ, _WEIGHTS),
                Range(moves["target"][rows], size[rows], WRITE, _WEIGHTS),
            ),
        )
        rows = np.flatnonzero(mine & signalled)
        sheet.add(SIGNAL, lane, place(rows, _DONE), Purpose(_SYNCHRONISE), token=arrival[rows])
    return arrival, run_tokens


def _order_in_cell(cell: Ints) -> Ints:
    """0, 1, … for rows of the same cell (rows of a cell follow each other)."""
    starts = np.flatnonzero(np.diff(cell, prepend=cell[0] - 1))
    return np.arange(len(cell)) - np.repeat(starts, np.diff(starts, append=len(cell)))


def _same_cell_runs(scene: Scene, cell: Ints) -> Ints:
    """The run a move must wait for, where the GPU's own order does not see to it already."""
    after = scene.plan.moves["after_run"].copy()
    runs = scene.plan.runs
    given = np.flatnonzero(after >= 0)
    run_cell = cells(runs["step"], runs["layer"], len(scene.model.moe_layers))[after[given]]
    # a run of an earlier layer ended before this layer's gate was known
    after[given[run_cell != cell[given]]] = -1
    return after


def _earlier_on_other_lane(target: Ints, prefetch: np.ndarray) -> Ints:
    """The move that filled the same slot before, if on the other lane (else lane order suffices); -1."""
    order = np.argsort(target, kind="stable")
    earlier = np.full(len(target), -1, dtype=np.int64)
    same = np.flatnonzero(target[order[1:]] == target[order[:-1]]) + 1
    earlier[order[same]] = order[same - 1]
    other = (earlier >= 0) & (prefetch[earlier] != prefetch)
    return np.where(other, earlier, -1)
