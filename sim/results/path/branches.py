"""The compiled walks back through one block of a run."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled, compiled_part
from moe_cosim.sim.engines.timeline import BOUNDS, IDLE_BOUND, LATENCY_BOUND
from moe_cosim.sim.results.path.cells import CELLS_PER_UNIT
from moe_cosim.workloads.programs.program import PURPOSES, SIGNAL

_BOUNDS: Final = len(BOUNDS)
_PURPOSES: Final = len(PURPOSES)

_SEEN: Final = 1
_BRANCH: Final = 2


class BlockEvents(NamedTuple):
    """A block's events and times. Rows are counted through the run: its own begin at `first_row`.

    E events of the block, L lanes; tables and columns are [E] where they say nothing else.
    """

    events: NDArray[np.void]
    tags: NDArray[np.void]
    start_ps: NDArray[np.int64]
    end_ps: NDArray[np.int64]
    bound: NDArray[np.uint8]
    last_signal: NDArray[np.int64]
    unit: NDArray[np.int64]  # [L] of each lane
    lane_row: NDArray[np.int64]  # [L] the last event of the blocks before; -1: none
    lane_end_ps: NDArray[np.int64]  # [L] its end
    first_row: int


class Known(NamedTuple):
    """Events of earlier blocks at which a walk may arrive, [known]."""

    row: NDArray[np.int64]  # ascending
    end_ps: NDArray[np.int64]
    number: int


class Branches(NamedTuple):
    """What is found: events [branches] from which walks are told apart, and the sums [sums] on the way to the one
    before.
    """

    row: NDArray[np.int64]
    end_ps: NDArray[np.int64]
    before: NDArray[np.int64]  # row of the branch at which the walk arrives; -1: the run's beginning
    past: NDArray[np.int64]  # its sums end here, where those of the next begin
    cell: NDArray[np.int32]  # of each sum: (unit, phase, purpose, bound) as one number
    time_ps: NDArray[np.int64]


@compiled
def mark_branches(block: BlockEvents, live: NDArray[np.int64], live_from_ps: int, mark: NDArray[np.uint8]) -> int:
    """Mark the events of a block from which, or at which, walks begin or join; their number.

    Walks begin at the rows `live` [n] and at signals that end after `live_from_ps`. `mark` is [E].
    """
    for index in range(len(live)):
        _mark(block, live[index] - block.first_row, mark)
    for row in range(len(block.events)):
        if block.events[row].kind == SIGNAL and block.end_ps[row] > live_from_ps:
            _mark(block, row, mark)
    found = 0
    for row in range(len(mark)):
        found += mark[row] == _BRANCH
    return found


@compiled_part
def _mark(block: BlockEvents, begin: int, mark: NDArray[np.uint8]) -> None:
    row = begin
    while row >= 0 and not mark[row]:
        mark[row] = _SEEN
        row = _before(block, row) - block.first_row
    if row >= 0:
        mark[row] = _BRANCH  # two walks join
    mark[begin] = _BRANCH


@compiled_part
def _before(block: BlockEvents, row: int) -> int:
    """Where the walk goes on from `row` of the block, counted through the run; -1: nowhere."""
    if block.bound[row] == LATENCY_BOUND:
        return int(block.last_signal[row])
    lane = block.events[row].lane
    if row > 0 and block.events[row - 1].lane == lane:
        return block.first_row + row - 1
    return int(block.lane_row[lane])


@compiled
def sum_branches(
    block: BlockEvents,
    mark: NDArray[np.uint8],
    known: Known,
    sums: NDArray[np.int64],
    touched: NDArray[np.int32],
    found: Branches,
) -> int:
    """Fill `found` with the marked events, in order; the number of their sums.

    `sums` [cells] and `touched` are scratch; `sums` is zero before and after.
    """
    branches, parts = 0, 0
    for begin in range(len(mark)):
        if mark[begin] != _BRANCH:
            continue
        row, cells = begin, 0
        while True:
            cells, before = _add_event(block, row, known, sums, touched, cells)
            row = before - block.first_row
            if row < 0 or mark[row] == _BRANCH:
                break
        found.row[branches] = block.first_row + begin
        found.end_ps[branches] = block.end_ps[begin]
        found.before[branches] = before
        for index in range(cells):
            found.cell[parts] = touched[index]
            found.time_ps[parts] = sums[touched[index]]
            sums[touched[index]] = 0
            parts += 1
        found.past[branches] = parts
        branches += 1
    return parts


@compiled_part
def _add_event(
    block: BlockEvents, row: int, known: Known, sums: NDArray[np.int64], touched: NDArray[np.int32], cells: int
) -> tuple[int, int]:
    """Add the time at `row`; the number of cells touched, and where the walk goes on."""
    before, lane = _before(block, row), block.events[row].lane
    before_end_ps = 0
    if before >= block.first_row:
        before_end_ps = block.end_ps[before - block.first_row]
    elif before >= 0 and before == block.lane_row[lane]:
        before_end_ps = block.lane_end_ps[lane]
    elif before >= 0:
        place = _find(known, before)
        if place < 0:
            before = -1  # forgotten, because no wait was to be bound by it any more
        else:
            before_end_ps = known.end_ps[place]
    cell = block.unit[lane] * CELLS_PER_UNIT
    if len(block.tags):
        tag = block.tags[block.events[row].tag]
        cell += (tag.phase * _PURPOSES + tag.purpose) * _BOUNDS
    bound, start_ps, end_ps = block.bound[row], block.start_ps[row], block.end_ps[row]
    if bound == LATENCY_BOUND:
        return _add(sums, touched, cells, cell + LATENCY_BOUND, end_ps - before_end_ps), before
    cells = _add(sums, touched, cells, cell + np.int64(bound), end_ps - start_ps)
    return _add(sums, touched, cells, cell + IDLE_BOUND, start_ps - before_end_ps), before


@compiled_part
def _add(sums: NDArray[np.int64], touched: NDArray[np.int32], cells: int, cell: int, time_ps: int) -> int:
    """Number of cells touched after this one."""
    if time_ps <= 0:
        return cells
    if not sums[cell]:
        touched[cells] = cell
        cells += 1
    sums[cell] += time_ps
    return cells


@compiled_part
def _find(known: Known, row: int) -> int:
    """The place of `row`; -1: not there."""
    low, high = 0, known.number
    while low < high:
        middle = (low + high) // 2
        if known.row[middle] < row:
            low = middle + 1
        else:
            high = middle
    return low if low < known.number and known.row[low] == row else -1


@compiled
def sum_walk(block: BlockEvents, begin: int, known: Known, sums: NDArray[np.int64], touched: NDArray[np.int32]) -> int:
    """Add to `sums` the time from row `begin` back to where the walk leaves the block; where it goes on. `sums` [cells]
    ps, of which `touched` are those that are not 0.
    """
    row, before = begin - block.first_row, begin
    while row >= 0:
        _, before = _add_event(block, row, known, sums, touched, 0)
        row = before - block.first_row
    return before


@compiled
def follow(branches: Branches, known: Known, row: int, sums: NDArray[np.int64]) -> None:
    """Add the sums of all branches from `row` back to the run's beginning. `known`: the branches' rows. `sums` [cells]
    ps.
    """
    while row >= 0:
        place = _find(known, row)
        for part in range(branches.past[place - 1] if place else 0, branches.past[place]):
            sums[branches.cell[part]] += branches.time_ps[part]
        row = branches.before[place]
