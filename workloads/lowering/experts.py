"""Expert kernels on the GPU, the CPU and near the data, and the activations that travel between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.components import Unit
from moe_cosim.workloads.batching.batching import WHOLE
from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.exchange import lower_exchange
from moe_cosim.workloads.lowering.order import grouped, order_in_cell, segments, slices, starts
from moe_cosim.workloads.lowering.scene import Scene, model_of
from moe_cosim.workloads.lowering.shares import Shares, shares_of
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose, Range
from moe_cosim.workloads.programs.program import CONTENTS, PURPOSES, READ, SIGNAL, STREAM, WAIT, WRITE
from moe_cosim.workloads.stripes import STRIPED, is_striped

_WEIGHTS, _ACTIVATIONS = CONTENTS.index("weights"), CONTENTS.index("activations")
_SYNCHRONISE, _EXPERT = Purpose(PURPOSES.index("synchronise")), PURPOSES.index("expert")

# order of one run's events in its lane
_ARRIVED, _KERNEL, _ENDED = range(3)
_PER_RUN = 3


class _Runs(NamedTuple):
    """Shares of runs line by line: those of one unit, then its deferred ones."""

    shares: Shares
    waits: NDArray[np.bool_]
    continues: NDArray[np.bool_]
    """Whether it is part of the kernel that the one before is part of: experts at hand run as one."""
    step: Ints
    layer: Ints
    """Of the model."""
    order: Ints
    """In the cell."""
    tokens: Ints
    format: Ints
    address: Ints

    def place(self, rows: Ints | slice, slot: int, part: int) -> Place:
        in_band = slot + slots.BAND * self.shares.part[rows]
        return Place(self.step[rows], self.layer[rows], in_band, self.order[rows] * _PER_RUN + part)


def lower_experts(scene: Scene, run_tokens: Ints, gate_tokens: Ints) -> None:
    """All runs of the plan. `run_tokens` [runs] and `gate_tokens` [cells] as `lower_moves` gives and takes them."""
    runs, sheet = scene.plan.runs, scene.sheet
    if not len(runs):
        return
    shares = _by_part(scene, shares_of(scene.plan, scene.expert_parts))
    waits = scene.carried.first_uses(runs["move"][shares.run], shares.unit)
    if scene.layout.batching != WHOLE:
        _wait_for_layers(scene, shares, waits)
    line = shares.unit * 2 + runs["deferred"][shares.run]
    by = _execution_order(line, scene.run_cell[shares.run] * scene.expert_parts + shares.part, waits)
    line, own, waits = line[by], shares.of(by), waits[by]
    run = own.run
    cell = scene.run_cell[run]
    begins = starts(line, cell, own.part)
    order = order_in_cell(begins)
    columns = (own.tokens, runs["format"][run].astype(np.int64), runs["address"][run])
    every = _Runs(own, waits, ~(begins | waits), *scene.step_and_layer(cell), order, *columns)
    busy_ps, ends = _busy_ps(scene, every), np.where(_is_last(own), run_tokens[run], -1)
    for rows in slices(line):
        index, deferred = divmod(int(line[rows.start]), 2)
        unit = scene.machine.units[scene.plan.units[index]]
        lane = scene.machine.lane_id(unit.name, unit.lanes[0])
        slot = slots.DEFERRED if deferred else slots.EXPERTS if index == scene.gpu_index else slots.NEAR_DATA
        _kernels(scene, unit, lane, slot, every, rows, busy_ps)
        some = rows.start + np.flatnonzero(waits[rows])
        if len(some):
            token = scene.carried.arrival(runs["move"][run[some]])
            sheet.add(WAIT, lane, every.place(some, slot, _ARRIVED), _SYNCHRONISE, token=token, count=1)
        some = rows.start + np.flatnonzero(ends[rows] >= 0)
        if len(some):
            sheet.add(SIGNAL, lane, every.place(some, slot, _ENDED), _SYNCHRONISE, token=ends[some])
    lower_exchange(scene, shares, gate_tokens)


def _wait_for_layers(scene: Scene, shares: Shares, waits: NDArray[np.bool_]) -> None:
    """Experts that an earlier layer asked for are waited for before the first one of their layer, and run as one kernel
    with those at hand: they are not among what `waits` [shares] any more."""
    runs, moves = scene.plan.runs, scene.plan.moves
    move = runs["move"][shares.run] - scene.plan.first_move
    asked = np.full(len(move), -1, np.int64)  # of an earlier block
    own = move >= 0
    asked[own] = scene.cells(moves["step"], moves["layer"])[move[own]]
    rows = np.flatnonzero(waits & (asked < scene.run_cell[shares.run]) & (shares.unit == scene.gpu_index))
    waits[rows] = False
    token = scene.carried.arrival(runs["move"][shares.run[rows]])
    step, layer = scene.step_and_layer(scene.run_cell[shares.run[rows]])
    place = Place(step, layer, slots.SHARED + slots.BAND * shares.part[rows], 1)
    scene.sheet.add(WAIT, scene.gpu_lane, place, _SYNCHRONISE, token=token, count=1)


def _by_part(scene: Scene, shares: Shares) -> Shares:
    """In each cell those of one micro-batch after those of the other."""
    if scene.expert_parts == 1:
        return shares
    gpu, found = scene.gpu_index, shares.of(np.lexsort((shares.part, scene.run_cell[shares.run])))
    if (found.unit != gpu).any():
        raise ValueError("experts run behind the attention of each micro-batch, and some beside the GPU")
    return found


def _is_last(shares: Shares) -> NDArray[np.bool_]:
    """[shares] whether the run has no later part."""
    last = np.full(int(shares.run.max()) + 1, -1, np.int64)
    np.maximum.at(last, shares.run, shares.part)
    return np.asarray(shares.part == last[shares.run])


def _execution_order(line: Ints, cell: Ints, waits: NDArray[np.bool_]) -> Ints:
    """Rows by line and cell: of a cell what is there first, then what arrives, in the plan's order."""
    from moe_cosim.workloads.lowering.walks import ready_first  # Numba takes a while to import

    by = grouped(line)
    if not waits.any():
        return by
    place = np.empty(len(by), np.int64)
    ready_first(starts(line[by], cell[by]), waits[by], place)
    ordered = np.empty_like(by)
    ordered[place] = by
    return ordered


def _kernels(scene: Scene, unit: Unit, lane: int, slot: int, every: _Runs, line: slice, busy_ps: Ints) -> None:
    """One event per expert; experts at hand share a launch and the wait for the first bytes, as a grouped kernel's."""
    formats, expert = scene.plan.formats, scene.plan.runs["expert"]
    bits = np.array([each.bits for each in formats])
    launch_ps = model_of(unit).expert_launch_ps
    scratch, room = (each[unit.local_memory] for each in (scene.layout.activations, scene.layout.activation_bytes))
    for rows, weights in _alike(scene, every, line):
        row_bytes = np.minimum(ACTIVATION_BYTES * scene.model.hidden * every.tokens[rows], room)
        purpose = Purpose(_EXPERT, expert[every.shares.run[rows]], bits[every.format[rows]], every.tokens[rows])
        scene.sheet.add(
            STREAM,
            lane,
            every.place(rows, slot, _KERNEL),
            purpose,
            setup_ps=np.where(every.continues[rows], 0, launch_ps),
            count=every.continues[rows],
            busy_ps=busy_ps[rows],
            ranges=(
                *weights,
                Range(scratch, row_bytes, READ, _ACTIVATIONS),
                Range(scratch, row_bytes, WRITE, _ACTIVATIONS),
            ),
        )


def _alike(scene: Scene, every: _Runs, line: slice) -> Iterator[tuple[Ints | slice, list[Range]]]:
    """Rows of a line whose weights lie alike, and where: in one range, in all parts of a stripe, or in one of them."""
    formats = scene.plan.formats
    sizes = np.array([each.expert_bytes(scene.model.expert) for each in formats])
    wide, spread = every.shares.slices[line] - 1, is_striped(every.address[line])
    if not (wide.any() or spread.any()):
        yield line, [Range(every.address[line], sizes[every.format[line]], READ, _WEIGHTS)]
        return
    kind = np.where(wide | spread, (wide * 2 + spread) * len(formats) + every.format[line] + 1, 0)
    for alike in segments(kind, grouped(kind)):
        rows = line.start + alike
        if kind[alike[0]] == 0:
            yield rows, [Range(every.address[rows], sizes[every.format[rows]], READ, _WEIGHTS)]
        else:
            yield rows, _parts(scene, every.shares.of(rows), every.address[rows], sizes[every.format[rows[0]]])


def _busy_ps(scene: Scene, every: _Runs) -> Ints:
    """Least time of each event on its unit, which is asked once for all experts of one shape."""
    expert, unit, width = scene.model.expert, every.shares.unit, every.shares.slices
    kernel = np.cumsum(~every.continues, dtype=np.int64)
    busy_ps = np.empty(len(unit), np.int64)
    kind = unit * (int(width.max()) + 1) + width
    for rows in segments(kind, grouped(kind)):
        unit_model = model_of(scene.machine.units[scene.plan.units[unit[rows[0]]]])
        shape = replace(expert, intermediate=-(-expert.intermediate // int(width[rows[0]])))
        busy_ps[rows] = unit_model.experts_ps(
            every.tokens[rows], kernel[rows], shape, scene.plan.formats, every.format[rows]
        )
    return busy_ps


def _parts(scene: Scene, shares: Shares, address: Ints, size: int) -> list[Range]:
    """What one unit reads of striped copies of `size` bytes: all parts, or in a team its own."""
    stripes = scene.plan.stripes
    if stripes is None:
        raise ValueError("a team computes a copy that is not striped over its members")
    parts = stripes.sizes(size)
    if shares.slices[0] == 1:
        return [
            Range(address, length, READ, _WEIGHTS, stripes.part(part)) for part, length in enumerate(parts.tolist())
        ]
    own = np.array(stripes.starts, dtype=np.int64)[shares.slice]
    return [Range(address - STRIPED + own, parts[shares.slice], READ, _WEIGHTS)]
