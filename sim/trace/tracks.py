"""Which tracks a trace has, how they nest, and the packets that say so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.trace import wire
from moe_cosim.sim.trace.schema import (
    CHILD_ORDERING_EXPLICIT,
    CounterDescriptor,
    TraceFile,
    TracePacket,
    TrackDescriptor,
)

_RATE: Final = "B/s"


@dataclass(frozen=True)
class Track:
    """One row on the screen. `unit` is that of a counter; None: slices, or other tracks below it."""

    uuid: int
    name: str
    parent: int = 0
    unit: str | None = None
    description: str = ""

    def packet(self) -> bytes:
        """Siblings stand in the order of their uuids."""
        counter = wire.message(TrackDescriptor.COUNTER, wire.text(CounterDescriptor.UNIT_NAME, self.unit or ""))
        descriptor = wire.message(
            TracePacket.TRACK_DESCRIPTOR,
            wire.number(TrackDescriptor.UUID, self.uuid),
            wire.text(TrackDescriptor.NAME, self.name),
            wire.number(TrackDescriptor.PARENT_UUID, self.parent) if self.parent else b"",
            wire.number(TrackDescriptor.CHILD_ORDERING, CHILD_ORDERING_EXPLICIT),
            wire.number(TrackDescriptor.SIBLING_ORDER_RANK, self.uuid),
            wire.text(TrackDescriptor.DESCRIPTION, self.description) if self.description else b"",
            counter if self.unit is not None else b"",
        )
        return wire.message(TraceFile.PACKET, descriptor)


class Tracks:
    """Of a machine: the critical path, its lanes, and counters of its resources."""

    def __init__(self, machine: Machine) -> None:
        self._all: list[Track] = []
        self.path = self._add("critical path", description="what the run's length is made of, without a gap")
        lanes = self._add("lanes")
        self.lanes = [self._add(f"{unit}.{lane}", lanes) for unit, lane in machine.lanes]
        memories, links = self._add("memories"), self._add("links")
        self.bandwidth = {
            index: self._add(resource.name, memories if resource.kind == "memory" else links, _RATE)
            for index, resource in enumerate(machine.resources)
            if math.isfinite(resource.bytes_per_s)
        }
        """By index into the machine's resources: all that limit a rate."""
        depth, residency = self._add("transfers under way"), self._add("weights moved in")
        self.depth = [self._add(memory.name, depth, "transfers") for memory in machine.memory_list]
        self.residency = [self._add(memory.name, residency, "B") for memory in machine.memory_list]

    def packets(self) -> bytes:
        """The descriptors of all tracks, parents first."""
        return b"".join(track.packet() for track in self._all)

    def _add(self, name: str, parent: int = 0, unit: str | None = None, description: str = "") -> int:
        uuid = len(self._all) + 1
        self._all.append(Track(uuid, name, parent, unit, description))
        return uuid
