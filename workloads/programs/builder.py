"""Programs written out by hand, event by event: for tests and for comparing engines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.programs.program import (
    ACCESS,
    COMPUTE,
    COPY,
    EVENT,
    PHASES,
    PURPOSES,
    READ,
    SIGNAL,
    STREAM,
    TAG,
    WAIT,
    WRITE,
    Program,
)


class Access(NamedTuple):
    """One row of `moe_cosim.workloads.programs.program.ACCESS`."""

    address: int
    bytes: int
    block_bytes: int
    op: int
    what: int = 0
    pad: int = 0


class ProgramBuilder:
    """Events in the order in which each lane runs them; a lane is called "<unit>.<lane>"."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._events: list[dict[str, Any]] = []
        self._accesses: list[Access] = []
        self._tags: list[tuple[int, ...]] = [(1, 0, -1, PHASES.index("decode"), PURPOSES.index("expert"), 0, 1)]

    def _add(self, lane: str, kind: int, **fields: int) -> ProgramBuilder:
        unit, _, name = lane.rpartition(".")
        self._events.append({"kind": kind, "lane": self.machine.lane_id(unit, name), **fields})
        return self

    def tag(self, phase: int, purpose: int) -> int:
        """Index of a new tag of step 1, MoE layer 0; `phase` and `purpose` index `PHASES` and `PURPOSES`."""
        self._tags.append((1, 0, -1, phase, purpose, 0, 1))
        return len(self._tags) - 1

    def access(self, memory_name: str, op: int, size: int, offset: int = 0, block: int = 0) -> Access:
        """`size` bytes of a memory from its byte `offset` on, in blocks of `block` bytes (0: one whole block)."""
        return Access(self.machine.memories[memory_name].base_address + offset, size, block, op)

    def read(self, memory_name: str, size: int, offset: int = 0, block: int = 0) -> Access:
        """An access that reads, for `stream` and `copy`."""
        return self.access(memory_name, READ, size, offset, block)

    def write(self, memory_name: str, size: int, offset: int = 0, block: int = 0) -> Access:
        """An access that writes, for `stream` and `copy`."""
        return self.access(memory_name, WRITE, size, offset, block)

    def compute(self, lane: str, busy_ps: int = 0, setup_ps: int = 0, tag: int = 0) -> ProgramBuilder:
        """A kernel without traffic."""
        return self._add(lane, COMPUTE, busy_ps=busy_ps, setup_ps=setup_ps, tag=tag)

    def stream(self, lane: str, *accesses: Access, busy_ps: int = 0, setup_ps: int = 0, tag: int = 0) -> ProgramBuilder:
        """A kernel whose accesses go on while it computes."""
        return self._traffic(lane, STREAM, accesses, busy_ps, setup_ps, tag)

    def go_on(self, lane: str, *accesses: Access, busy_ps: int = 0, tag: int = 0) -> ProgramBuilder:
        """A stream that continues the kernel of the lane's event before."""
        self._traffic(lane, STREAM, accesses, busy_ps, 0, tag)
        self._events[-1]["count"] = 1
        return self

    def copy(self, lane: str, *accesses: Access, busy_ps: int = 0, setup_ps: int = 0, tag: int = 0) -> ProgramBuilder:
        """Accesses in pairs: what is read, then where it is written."""
        return self._traffic(lane, COPY, accesses, busy_ps, setup_ps, tag)

    def _traffic(
        self, lane: str, kind: int, accesses: Iterable[Access], busy_ps: int, setup_ps: int, tag: int
    ) -> ProgramBuilder:
        first = len(self._accesses)
        self._accesses += accesses
        count = len(self._accesses) - first
        return self._add(lane, kind, busy_ps=busy_ps, setup_ps=setup_ps, tag=tag, first_access=first, accesses=count)

    def signal(self, lane: str, token: int) -> ProgramBuilder:
        """Give `token`; who waits for it waits for all that give it."""
        return self._add(lane, SIGNAL, token=token)

    def wait(self, lane: str, token: int) -> ProgramBuilder:
        """Hold the lane until every signal of `token` has arrived."""
        return self._add(lane, WAIT, token=token)

    def build(self) -> Program:
        """Grouped by lane; the count of every wait is the number of its token's signals."""
        signals: dict[int, int] = {}
        for event in self._events:
            if event["kind"] == SIGNAL:
                signals[event["token"]] = signals.get(event["token"], 0) + 1
        events = np.zeros(len(self._events), dtype=EVENT)
        for row, event in enumerate(sorted(self._events, key=lambda e: int(e["lane"]))):
            for name, value in event.items():
                events[row][name] = value
            if event["kind"] == WAIT:
                events[row]["count"] = signals.get(event["token"], 0)
        return Program(
            self.machine.lanes, events, np.array(self._accesses, dtype=ACCESS), np.array(self._tags, dtype=TAG)
        )
