"""What the events of a run moved, when, and over what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.results.run_timeline import RunTimeline
from moe_cosim.workloads.programs.program import COPY, READ


@dataclass(frozen=True)
class Transfers:
    """One row [n] per access with bytes, in order of `way`; `through` says which rows a resource has carried."""

    event: NDArray[np.int64]
    begin_ns: NDArray[np.int64]
    """When its event's traffic may begin: after the setup."""
    end_ns: NDArray[np.int64]
    """When its event ends, and at least a nanosecond later: an access has no end of its own in a timeline."""
    bytes: NDArray[np.int64]
    address: NDArray[np.int64]
    first: NDArray[np.int64]
    """[ways + 1] the rows of each way."""
    ways: list[tuple[tuple[int, ...], int]]
    """Of each: the resources it crosses (one may do so twice), and the memory that a copy ends in, or -1."""

    @classmethod
    def of(cls, machine: Machine, timeline: RunTimeline, shown: NDArray[np.bool_]) -> Transfers:
        """Those of the events `shown` [E]; `InputError` for an address where the machine has no memory."""
        program = timeline.program
        events, accesses = program.events, program.accesses
        row = np.flatnonzero(shown & (events["accesses"] > 0))
        number = events["accesses"][row].astype(np.int64)
        event = np.repeat(row, number)
        nth = np.arange(len(event)) - np.repeat(np.cumsum(number) - number, number)
        access = events["first_access"][event].astype(np.int64) + nth
        memory = machine.memory_index(accesses["address"][access])
        if (memory < 0).any():
            raise InputError("trace", "accesses.address", Plain("outside the memories"), f"those of {machine.name}")

        is_copy = events["kind"][event] == COPY
        is_target = is_copy & (nth % 2 == 1)
        memories, lanes = len(machine.memory_list), len(machine.lanes)
        source = memory[np.maximum(np.arange(len(event)) - 1, 0)]
        reads = accesses["op"][access] == READ
        # of a stream its lane and direction; of a copy's read nothing more; of its write the memory it comes from
        other = np.where(
            is_target, 2 * lanes + 1 + source, np.where(is_copy, 2 * lanes, 2 * events["lane"][event] + reads)
        )
        code = memory * (2 * lanes + 1 + memories) + other
        code[accesses["bytes"][access] == 0] = -1
        order = np.argsort(code, kind="stable")
        order = order[np.searchsorted(code[order], 0) :]
        codes, first = np.unique(code[order], return_index=True)
        event = event[order]

        end_ns = timeline.end_ps[event] // 1000
        setup_ps = np.minimum(
            events["setup_ps"][event].astype(np.int64), timeline.end_ps[event] - timeline.start_ps[event]
        )
        begin_ns = np.minimum((timeline.start_ps[event] + setup_ps) // 1000, np.maximum(end_ns - 1, 0))
        return cls(
            event=event,
            begin_ns=begin_ns,
            end_ns=np.maximum(end_ns, begin_ns + 1),
            bytes=accesses["bytes"][access[order]].astype(np.int64),
            address=accesses["address"][access[order]].astype(np.int64),
            first=np.append(first, len(order)),
            ways=[_way(machine, *divmod(code, 2 * lanes + 1 + memories)) for code in codes.tolist()],
        )

    def through(self, resource: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows, and how often each crosses it."""
        parts = [np.zeros(0, np.int64)]
        times = [np.zeros(0, np.int64)]
        for way, (crossed, _) in enumerate(self.ways):
            if resource in crossed:
                parts.append(np.arange(self.first[way], self.first[way + 1]))
                times.append(np.full(len(parts[-1]), crossed.count(resource)))
        return np.concatenate(parts), np.concatenate(times)

    def copied_to(self, memory: int) -> NDArray[np.int64]:
        """Rows that write to it as the targets of copies."""
        parts = [
            np.arange(a, b)
            for (_, to), a, b in zip(self.ways, self.first, self.first[1:], strict=False)
            if to == memory
        ]
        return np.concatenate([np.zeros(0, np.int64), *parts])


def _way(machine: Machine, memory: int, other: int) -> tuple[tuple[int, ...], int]:
    """The memory's own resource, which has its number, and the path: as `traffic_table` counts them."""
    names, lanes = [part.name for part in machine.memory_list], len(machine.lanes)
    if other < 2 * lanes:
        lane, reads = divmod(other, 2)
        unit = machine.lanes[lane][0]
        ends = (names[memory], unit) if reads else (unit, names[memory])
        return (memory, *machine.path(*ends).resources), -1
    if other == 2 * lanes:
        return (memory,), -1  # the way is counted where it ends
    source = other - 2 * lanes - 1
    crossed = machine.path(names[source], names[memory]).resources
    return (memory, *crossed, *(crossed if source == memory else ())), memory
