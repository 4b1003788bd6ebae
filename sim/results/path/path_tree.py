"""The critical path of a run whose blocks are looked at once and dropped.

Which event ends last is known at the end only. So of every block are kept the walks back from all events that
the rest of the run may come to: the last of each lane, and signals that may bind a wait yet. Walks
join soon; what is kept is a tree of *branches*, with the sums from each to the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import RunError
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.results.path.cells import CELLS_PER_UNIT, cells, path_rows
from moe_cosim.sim.results.rows import PathRow
from moe_cosim.workloads.programs.program import Program

if TYPE_CHECKING:  # compiled: Numba takes a while to import
    from moe_cosim.sim.results.path.branches import BlockEvents, Known

KEPT_SIGNALS: Final = 1 << 21
"""Beyond so many branches a lane that did nothing in a block is not waited for: signals that have reached all
others are forgotten. A wait that one of them binds all the same counts as waiting from the start."""

_NEVER_PS: Final = 2**62
_OF_SUMS: Final = ("cell", "time_ps")
"""Columns of `Branches` with a row per sum, not per branch."""


class PathTree:
    """Blocks of one run, in order."""

    def __init__(self, machine: Machine) -> None:
        units = {name: index for index, name in enumerate(machine.units)}
        self._machine = machine
        self._unit = np.array([units[unit] for unit, _ in machine.lanes], np.int64)
        self._rows = 0
        self._lane_row = np.full(len(machine.lanes), -1, np.int64)
        self._lane_end_ps = np.zeros(len(machine.lanes), np.int64)
        self._sums = np.zeros(len(units) * CELLS_PER_UNIT, np.int64)
        self._touched = np.empty(len(self._sums), np.int32)
        self._branches = {name: _Growing(np.int64) for name in ("row", "end_ps", "before", "past")}
        self._branches |= {"cell": _Growing(np.int32), "time_ps": _Growing(np.int64)}
        self._is_tagged = False

    def add(self, program: Program, timeline: Timeline, following: NDArray[np.int64] | None) -> None:
        """The next block. `following` [events of the next]: the `last_signal` of the block after it; None: nothing
        follows. Raises `RunError` for an engine that does not say what bounds its events.
        """
        from moe_cosim.sim.results.path.branches import BlockEvents

        if timeline.bound is None or timeline.last_signal is None:
            raise RunError("the engine does not say what bounds its events (Timeline.bound and Timeline.last_signal)")
        self._is_tagged |= len(program.tags) > 0
        if timeline.path_ps is not None:
            events = program.events
            of_event = cells(self._unit[events["lane"]], program.tags[events["tag"]], timeline.bound)
            np.add.at(self._sums, of_event, timeline.path_ps)
            return
        block = BlockEvents(
            program.events,
            program.tags,
            timeline.start_ps,
            timeline.end_ps,
            timeline.bound,
            timeline.last_signal,
            self._unit,
            self._lane_row.copy(),
            self._lane_end_ps.copy(),
            self._rows,
        )
        starts = program.lane_starts
        ran = np.flatnonzero(starts[1:] > starts[:-1])
        last = starts[ran + 1] - 1
        self._lane_row[ran] = self._rows + last
        self._lane_end_ps[ran] = timeline.end_ps[last]
        self._rows += len(program.events)
        if following is None:
            self._finish(block)
        else:
            self._branch(block, ran, following)

    def rows(self) -> list[PathRow]:
        """As `CriticalPath.rows`, once the last block was added."""
        return path_rows(self._machine, self._sums, self._is_tagged)

    def _branch(self, block: BlockEvents, ran: NDArray[np.int64], following: NDArray[np.int64]) -> None:
        """Keep the walks back through a block in which the lanes `ran` did something."""
        from moe_cosim.sim.results.path.branches import Branches, mark_branches, sum_branches

        asked = np.unique(following[(following >= block.first_row) & (following < self._rows)])
        live = np.concatenate([self._lane_row[ran], asked])
        mark = np.zeros(len(block.events), np.uint8)
        found = mark_branches(block, live, self._live_from_ps(ran), mark)
        room = 2 * len(block.events)
        branches = Branches(
            row=np.empty(found, np.int64),
            end_ps=np.empty(found, np.int64),
            before=np.empty(found, np.int64),
            past=np.empty(found, np.int64),
            cell=np.empty(room, np.int32),
            time_ps=np.empty(room, np.int64),
        )
        parts = sum_branches(block, mark, self._known(), self._sums, self._touched, branches)
        branches.past[:] += self._branches["cell"].size
        for name, column in self._branches.items():
            added: NDArray[Any] = getattr(branches, name)
            column.extend(added[:parts] if name in _OF_SUMS else added)

    def _finish(self, block: BlockEvents) -> None:
        """Walk back from the event that ends last: of equal ends that in the lowest lane."""
        from moe_cosim.sim.results.path.branches import Branches, follow, sum_walk

        row = int(self._lane_row[np.argmax(self._lane_end_ps)])
        if row >= block.first_row:
            row = sum_walk(block, row, self._known(), self._sums, self._touched)
        if row >= 0:
            whole = Branches(**{name: column.whole for name, column in self._branches.items()})
            follow(whole, self._known(), row, self._sums)

    def _known(self) -> Known:
        from moe_cosim.sim.results.path.branches import Known

        row = self._branches["row"]
        return Known(row.whole, self._branches["end_ps"].whole, row.size)

    def _live_from_ps(self, ran: NDArray[np.int64]) -> int:
        """Signals that end later may bind a wait in a block after the next."""
        waited_for = ran if self._branches["row"].size > KEPT_SIGNALS else slice(None)
        return int(self._lane_end_ps[waited_for].min(initial=_NEVER_PS)) - self._longest_way_ps

    @property
    def _longest_way_ps(self) -> int:
        """Of a signal."""
        units = list(self._machine.units)
        return max(self._machine.path(a, b).latency_ps for a in units for b in units)


class _Growing:
    """A column that is added to."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self.whole: NDArray[Any] = np.empty(0, dtype)
        """With room at its end."""
        self.size = 0

    @property
    def filled(self) -> NDArray[Any]:
        return self.whole[: self.size]

    def extend(self, more: NDArray[Any]) -> None:
        size = self.size + len(more)
        if size > len(self.whole):
            grown = np.empty(max(size, 2 * len(self.whole)), self.whole.dtype)
            grown[: self.size] = self.filled
            self.whole = grown
        self.whole[self.size : size] = more
        self.size = size
