"""What a run's events moved and how long they worked, block by block."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.results.metrics.busy_time import BusyTime
from moe_cosim.workloads.programs.program import CONTENTS, Program

if TYPE_CHECKING:  # compiled: Numba takes a while to import
    from moe_cosim.sim.results.metrics.event_pass import EventPlaces

_NEVER_PS: Final = 2**62


class Activity:
    """Sums over all events so far, in whole bytes and picoseconds."""

    def __init__(self, machine: Machine) -> None:
        from moe_cosim.sim.results.metrics.event_pass import Sums

        units, memories, contents = len(machine.units), len(machine.memories), len(CONTENTS)
        self._places, self._rank = _places(machine)
        self._shape = units, memories, contents
        self._sums = Sums(
            stream_bytes=np.zeros(units * memories * 2 * contents, np.int64),
            copy_bytes=np.zeros(memories * memories * contents, np.int64),
            working=np.zeros(units, np.int64),
            figures=np.array([_NEVER_PS, -1, 0, 0], np.int64),
            lane_end_ps=np.full(len(machine.lanes), -1, np.int64),
        )
        self.busy = BusyTime(machine)
        self.events = 0

    def add(self, program: Program, timeline: Timeline, is_last: bool) -> None:
        """The next block of the run, whose first has the first token."""
        from moe_cosim.sim.results.metrics.event_pass import Spells, count_events

        events, lanes = len(program.events), len(program.lanes)
        spells = Spells(*(np.empty(size, np.int64) for size in (events, events, lanes, lanes)))
        count_events(
            program.events,
            program.accesses,
            program.tags,
            timeline.start_ps,
            timeline.end_ps,
            self._places,
            self._sums,
            spells,
        )
        self.events += events
        self.busy.add(spells, self.first_head_ps, None if is_last else self._sums.lane_end_ps)

    @property
    def total_ps(self) -> int:
        """When the last event so far ended."""
        return max(int(self._sums.lane_end_ps.max(initial=0)), 0)

    @property
    def first_head_ps(self) -> int:
        """When the first token is there."""
        return int(self._sums.figures[0])

    @property
    def last_head_ps(self) -> int:
        """When the last token so far was there: the end of the last event of the head."""
        return int(self._sums.figures[1])

    @property
    def near_data_kernel_s(self) -> float | None:
        """Mean time of an expert's kernel near the data in decode; None without any."""
        count, time_ps = self._sums.figures[2:].tolist()
        return time_ps / count / 1e12 if count else None

    @property
    def working_events(self) -> NDArray[np.int64]:
        """[units] events that compute or move data."""
        return self._sums.working

    @property
    def stream_bytes(self) -> NDArray[np.int64]:
        """[units, memories, 2, contents] that units read from and write to memories."""
        units, memories, contents = self._shape
        return self._sums.stream_bytes.reshape(units, memories, 2, contents)[:, self._rank]

    @property
    def copy_bytes(self) -> NDArray[np.int64]:
        """[memories, memories, contents] from memory to memory."""
        _, memories, contents = self._shape
        return self._sums.copy_bytes.reshape(memories, memories, contents)[self._rank][:, self._rank]


@lru_cache(maxsize=2)
def _places(machine: Machine) -> tuple[EventPlaces, NDArray[np.int64]]:
    """And the rank of each memory by its address."""
    from moe_cosim.sim.results.metrics.event_pass import EventPlaces

    units = {name: index for index, name in enumerate(machine.units)}
    near = {unit.name for unit in machine.near_data_units}
    base = np.array([memory.base_address for memory in machine.memory_list], np.int64)
    order = np.argsort(base)
    places = EventPlaces(
        unit=np.array([units[unit] for unit, _ in machine.lanes], np.int64),
        near_data=np.array([unit in near for unit, _ in machine.lanes], np.bool_),
        base=np.concatenate([base[order], [np.iinfo(np.int64).max]]),
    )
    return places, np.argsort(order)
