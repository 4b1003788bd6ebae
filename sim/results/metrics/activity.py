"""What a run's events moved and how long they worked, block by block."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.results.metrics.busy_time import BusyTime
from moe_cosim.workloads.program import CONTENTS, Program

if TYPE_CHECKING:  # compiled: Numba takes a while to import
    from moe_cosim.sim.results.metrics.event_pass import Places

_NEVER_PS: Final = 2**62


class Activity:
    """Sums over all events so far, in whole bytes and picoseconds."""

    def __init__(self, machine: Machine) -> None:
        from moe_cosim.sim.results.metrics.event_pass import Sums

        units, memories = machine.units, machine.memories
        self._places = _places(machine)
        self._sums = Sums(
            memory_bytes=np.zeros((len(memories), len(CONTENTS), 2), np.int64),
            stream_bytes=np.zeros((len(units), len(memories), 2, len(CONTENTS)), np.int64),
            copy_bytes=np.zeros((len(memories), len(memories), len(CONTENTS)), np.int64),
            working=np.zeros(len(units), np.int64),
            kernels=np.zeros(2, np.int64),
            heads=np.array([_NEVER_PS, -1], np.int64),
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
        return max(int(self._sums.lane_end_ps.max(initial=0)), 0)

    @property
    def first_head_ps(self) -> int:
        """When the first token is there."""
        return int(self._sums.heads[0])

    @property
    def last_head_ps(self) -> int:
        return int(self._sums.heads[1])

    @property
    def near_data_kernel_s(self) -> float | None:
        """Mean time of an expert's kernel near the data in decode; None without any."""
        count, time_ps = self._sums.kernels.tolist()
        return time_ps / count / 1e12 if count else None

    @property
    def working_events(self) -> NDArray[np.int64]:
        """[units] events that compute or move data."""
        return self._sums.working

    @property
    def memory_bytes(self) -> NDArray[np.int64]:
        """[memories, contents, 2] read and written."""
        return self._sums.memory_bytes

    @property
    def stream_bytes(self) -> NDArray[np.int64]:
        """[units, memories, 2, contents] that units read from and write to memories."""
        return self._sums.stream_bytes

    @property
    def copy_bytes(self) -> NDArray[np.int64]:
        """[memories, memories, contents] from memory to memory."""
        return self._sums.copy_bytes


@lru_cache(maxsize=2)
def _places(machine: Machine) -> Places:
    from moe_cosim.sim.results.metrics.event_pass import Places

    units = {name: index for index, name in enumerate(machine.units)}
    near = {unit.name for unit in machine.near_data_units}
    memories = machine.memory_list
    order = sorted(range(len(memories)), key=lambda index: memories[index].base_address)
    return Places(
        unit=np.array([units[unit] for unit, _ in machine.lanes], np.int64),
        near_data=np.array([unit in near for unit, _ in machine.lanes], np.bool_),
        base=np.array([memories[index].base_address for index in order], np.int64),
        end=np.array([memories[index].base_address + memories[index].capacity_bytes for index in order], np.int64),
        memory=np.array(order, np.int64),
    )
