"""Tiny machines and programs, written out in a test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hw_models.components import AccessEfficiency, Link, Memory, Switch, Unit
from hw_models.machine import Machine
from workloads.program import (
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

GB_PER_S = 1e9
"""1 GB/s is one byte per nanosecond: 0.001 bytes per ps."""

ALWAYS_PEAK = AccessEfficiency((64.0, 4096.0), (1.0, 1.0), (1.0, 1.0))


def unit(
    name: str, lanes: int | Sequence[str] = 1, memory: str = "m", window_bytes: float = np.inf, kind: str = "gpu"
) -> Unit:
    names = tuple(f"l{i}" for i in range(lanes)) if isinstance(lanes, int) else tuple(lanes)
    return Unit(name, kind, names, memory, window_bytes)


def memory(
    name: str = "m",
    base: int = 0,
    rate: float = 100 * GB_PER_S,
    latency_ps: int = 0,
    efficiency: AccessEfficiency = ALWAYS_PEAK,
    channels: int = 1,
    interleave_bytes: int = 256,
    capacity: int = 1 << 30,
) -> Memory:
    return Memory(name, "hbm", capacity, base, channels, interleave_bytes, rate, efficiency, latency_ps)


def link(a: str, b: str, rate: float = np.inf, latency_ps: int = 0) -> Link:
    return Link(f"{a}-{b}", (a, b), rate, 1.0, latency_ps)


def one_memory(units: Sequence[Unit], part: Memory | None = None, latency_ps: int = 0) -> Machine:
    """Units around one memory on links without limit."""
    part = part or memory()
    links = [link(u.name, part.name, latency_ps=latency_ps) for u in units]
    return Machine("tiny", units, [part], links, [])


def star(units: Sequence[Unit], memories: Sequence[Memory], links: Sequence[Link], switch: Switch) -> Machine:
    return Machine("star", units, memories, links, [switch])


class ProgramBuilder:
    """Events in the order in which each lane runs them; lanes are "unit.lane"."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._events: list[dict[str, Any]] = []
        self._accesses: list[tuple[int, int, int, int, int, int]] = []
        self._tags: list[tuple[int, ...]] = [(1, 0, -1, PHASES.index("decode"), PURPOSES.index("expert"), 0, 1)]

    def _add(self, lane: str, kind: int, **fields: int) -> ProgramBuilder:
        names = (lane.split(".")[0], lane.split(".")[1])
        self._events.append({"kind": kind, "lane": self.machine.lanes.index(names), **fields})
        return self

    def tag(self, phase: int, purpose: int) -> int:
        self._tags.append((1, 0, -1, phase, purpose, 0, 1))
        return len(self._tags) - 1

    def access(self, memory_name: str, op: int, size: int, offset: int = 0, block: int = 0) -> tuple[int, ...]:
        return (self.machine.memories[memory_name].base_address + offset, size, block, op, 0, 0)

    def read(self, memory_name: str, size: int, offset: int = 0, block: int = 0) -> tuple[int, ...]:
        return self.access(memory_name, READ, size, offset, block)

    def write(self, memory_name: str, size: int, offset: int = 0, block: int = 0) -> tuple[int, ...]:
        return self.access(memory_name, WRITE, size, offset, block)

    def compute(self, lane: str, busy_ps: int = 0, setup_ps: int = 0, tag: int = 0) -> ProgramBuilder:
        return self._add(lane, COMPUTE, busy_ps=busy_ps, setup_ps=setup_ps, tag=tag)

    def stream(
        self, lane: str, *accesses: tuple[int, ...], busy_ps: int = 0, setup_ps: int = 0, tag: int = 0
    ) -> ProgramBuilder:
        return self._traffic(lane, STREAM, accesses, busy_ps, setup_ps, tag)

    def copy(
        self, lane: str, *accesses: tuple[int, ...], busy_ps: int = 0, setup_ps: int = 0, tag: int = 0
    ) -> ProgramBuilder:
        return self._traffic(lane, COPY, accesses, busy_ps, setup_ps, tag)

    def _traffic(
        self, lane: str, kind: int, accesses: Iterable[tuple[int, ...]], busy_ps: int, setup_ps: int, tag: int
    ) -> ProgramBuilder:
        first = len(self._accesses)
        self._accesses += accesses  # type: ignore[arg-type]
        count = len(self._accesses) - first
        return self._add(lane, kind, busy_ps=busy_ps, setup_ps=setup_ps, tag=tag, first_access=first, accesses=count)

    def signal(self, lane: str, token: int) -> ProgramBuilder:
        return self._add(lane, SIGNAL, token=token)

    def wait(self, lane: str, token: int) -> ProgramBuilder:
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
