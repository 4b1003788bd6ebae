"""The program as SST replays it: copies between memories of other devices are carried out where their source is.

A stream core has the links of its own device. Of a copy with neither end there it would carry the bytes over them
twice, where the machine's description says memory to memory. So its unit tells a *mover*, a copy engine in the source's
device that only the replayed machine has, and waits until that says that all has arrived. Messages take the latency of
the way, and the mover starts so much later that a line takes what the description says (`Machine.copy_latency_ps`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isinf
from typing import cast

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.components import Link, Unit
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst.graph.devices import Layout, find_layout
from moe_cosim.sim.engines.sst.graph.traffic import copies_between_others
from moe_cosim.workloads.programs.program import COMPUTE, COPY, EVENT, SIGNAL, WAIT, Program

_WIRE_PS = 2
"""Between a mover and its memory, where no unit shows where to put it: two of the shortest links of a graph."""


@dataclass(frozen=True)
class Replayed:
    """What SST runs in place of a program, and how its rows lead back."""

    machine: Machine
    layout: Layout
    program: Program
    begins: NDArray[np.int64]
    """[E] for each event of the program asked for, the row of `program` in which it begins."""
    ends: NDArray[np.int64]
    """[E] and in which it ends."""


def replayed(machine: Machine, program: Program) -> Replayed:
    """The program itself where no copy is between memories of other devices."""
    layout = find_layout(machine)
    elsewhere = copies_between_others(machine, program, layout)
    if not elsewhere:
        rows = np.arange(len(program.events))
        return Replayed(machine, layout, program, rows, rows)
    movers = _Movers(machine, layout)
    lanes: list[list[np.void]] = [[] for _ in program.lanes]
    moved: dict[tuple[str, int], list[np.void]] = {}
    places: list[tuple[int, int, int]] = []
    accesses = [program.accesses]
    token = program.tokens
    taken = len(program.accesses)
    for row, event in enumerate(program.events):
        lane = int(event["lane"])
        begins = len(lanes[lane])
        if row not in elsewhere:
            lanes[lane].append(event)
            places.append((lane, begins, begins))
            continue
        unit = program.lanes[lane][0]
        first = int(event["first_access"])
        pairs = program.accesses[first : first + int(event["accesses"])].reshape(-1, 2)
        own = [pair for number, pair in enumerate(pairs) if number not in elsewhere[row]]
        by_mover: dict[str, list[NDArray[np.void]]] = {}
        for number, ends in elsewhere[row].items():
            by_mover.setdefault(movers.name(unit, *ends), []).append(pairs[number])
        lanes[lane] += [_event(event, COMPUTE, setup_ps=event["setup_ps"]), _event(event, SIGNAL, token=token)]
        for name, chosen in by_mover.items():
            copy = _event(event, COPY, busy_ps=event["busy_ps"], first_access=taken, accesses=2 * len(chosen))
            wait = _event(event, WAIT, token=token, count=1)
            moved.setdefault((name, lane), []).extend([wait, copy, _event(event, SIGNAL, token=token + 1)])
            accesses += chosen
            taken += 2 * len(chosen)
        if own:
            lanes[lane].append(_event(event, COPY, first_access=taken, accesses=2 * len(own)))
            accesses += own
            taken += 2 * len(own)
        lanes[lane].append(_event(event, WAIT, token=token + 1, count=len(by_mover)))
        places.append((lane, begins, len(lanes[lane]) - 1))
        token += 2
    wider = movers.machine(moved)
    for (name, _), carried in moved.items():
        for copy in carried[1::3]:
            copy["setup_ps"] = movers.rest_ps(wider, name)
    order = [*lanes, *(moved[key] for key in movers.in_order(moved))]
    starts = np.cumsum([0, *(len(rows) for rows in order)])
    events = np.concatenate([np.array(rows, dtype=EVENT) for rows in order])
    events["lane"] = np.repeat(np.arange(len(order)), np.diff(starts))
    where = np.array(places, dtype=np.int64).reshape(-1, 3)
    return Replayed(
        wider,
        find_layout(wider),
        replace(program, lanes=wider.lanes, events=events, accesses=np.concatenate(accesses)),
        starts[where[:, 0]] + where[:, 1],
        starts[where[:, 0]] + where[:, 2],
    )


class _Movers:
    """The copy engines that the program needs, one for each unit that asks and each way."""

    def __init__(self, machine: Machine, layout: Layout) -> None:
        self._machine = machine
        self._layout = layout
        self._ways: dict[str, tuple[str, str, str]] = {}

    def name(self, unit: str, source: str, target: str) -> str:
        name = f"{source}.for-{unit}-to-{target}"
        self._ways[name] = (unit, source, target)
        return name

    def in_order(self, moved: dict[tuple[str, int], list[np.void]]) -> list[tuple[str, int]]:
        """(mover, lane of who asks) as the machine's lanes come."""
        return [(name, lane) for name in self._ways for mover, lane in moved if mover == name]

    def machine(self, moved: dict[tuple[str, int], list[np.void]]) -> Machine:
        """With them."""
        old = self._machine
        units, links = list(old.units.values()), list(old.links.values())
        for name, (unit, source, target) in self._ways.items():
            lanes = tuple(f"lane{lane}" for mover, lane in moved if mover == name)
            node, latency_ps = self._place(source)
            links.append(Link(f"{name}-wire", (name, node), float("inf"), 1.0, latency_ps))
            asks = old.units[unit]
            loops_ps = [old.copy_latency_ps(unit, source, target), _loop_ps(old, source, target)]
            window = asks.window_bytes if isinf(asks.window_bytes) else asks.window_bytes * loops_ps[1] / loops_ps[0]
            units.append(Unit(name, "dma", lanes, source, window))
        return Machine(
            old.name,
            units,
            old.memory_list,
            links,
            list(old.switches.values()),
            title=old.title,
            peers=list(old.peers.values()),
        )

    def rest_ps(self, wider: Machine, name: str) -> int:
        """What the mover starts later, so that the copy's latency is that of a line through the unit that asks."""
        unit, source, target = self._ways[name]
        messages_ps = wider.path(unit, name).latency_ps + wider.path(name, unit).latency_ps
        takes_ps = messages_ps + wider.copy_latency_ps(name, source, target)
        return max(0, self._machine.copy_latency_ps(unit, source, target) - takes_ps)

    def _place(self, source: str) -> tuple[str, int]:
        """Where a mover of the memory is plugged, and how far: as a unit of its device, or as the memory itself is."""
        device = self._layout.devices[self._layout.device_of_memory(source)]
        for part in (*(unit.name for unit in device.units), source):
            for link in self._machine.links.values():
                if part in link.ends and isinf(link.bytes_per_s):
                    return link.ends[link.ends[0] == part], link.latency_ps
        return source, _WIRE_PS


def _loop_ps(machine: Machine, source: str, target: str) -> int:
    """Of a line, from a request beside the source to the target's acknowledgement."""
    ends_ps = machine.memories[source].latency_ps + machine.memories[target].latency_ps
    return ends_ps + 2 * machine.path(source, target).latency_ps


def _event(of: np.void, kind: int, **fields: int) -> np.void:
    """An event in the place of another, or of a part of it."""
    made = np.zeros(1, dtype=EVENT)
    made["kind"], made["tag"] = kind, of["tag"]
    for name, value in fields.items():
        made[name] = value
    return cast(np.void, made[0])
