"""A device description read into parts: its units and memories around one on-package switch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from moe_cosim.errors import Plain
from moe_cosim.hw_models.components import DeviceFigures, Link, Memory, Switch, Unit
from moe_cosim.hw_models.description import Fields, Reading
from moe_cosim.hw_models.dram.description import Channels, read_dram
from moe_cosim.hw_models.dram.memory import DramMemory
from moe_cosim.hw_models.dram.row_conflicts import RowConflicts
from moe_cosim.hw_models.energy import TransferEnergy, UnitEnergy
from moe_cosim.hw_models.flash.description import read_flash, read_queue
from moe_cosim.hw_models.merge import Places
from moe_cosim.hw_models.units.described import unit_models
from moe_cosim.hw_models.units.kinds import Role, unit_kinds
from moe_cosim.quantity import format_quantity

MEMORY_KINDS = ("hbm", "gddr", "host", "cxl", "ndp", "cache", "flash")
MOST_CAPACITY_BYTES = 10**15
"""1 PB: so that the addresses of 1024 such memories fit into 63 bits."""
MOST_CHANNELS = 65536


@dataclass(frozen=True)
class DeviceParts:
    """Parts of one device, named inside it (``sm``, ``hbm``); base addresses are still 0.

    Every unit and memory hangs by a wire at `switch`, where the device's ports are too.
    """

    units: tuple[Unit, ...]
    memories: tuple[Memory, ...]
    wires: tuple[Link, ...]
    switch: Switch
    ports: tuple[str, ...]
    figures: DeviceFigures

    def named(self, instance: str) -> DeviceParts:
        """The parts of the instance of that name: ``<instance>.<part>``."""

        def full(name: str) -> str:
            return f"{instance}.{name}"

        return DeviceParts(
            tuple(replace(u, name=full(u.name), local_memory=full(u.local_memory)) for u in self.units),
            tuple(replace(m, name=full(m.name)) for m in self.memories),
            tuple(replace(w, name=full(w.name), ends=(full(w.ends[0]), full(w.ends[1]))) for w in self.wires),
            replace(self.switch, name=full(self.switch.name)),
            self.ports,
            replace(self.figures, name=instance),
        )


def read_device(tree: Mapping[str, Any], reading: Reading, places: Places) -> DeviceParts:
    """The device in `tree` (a device description, merged with what the machine says of it)."""
    fields = Fields(tree, reading, places)
    fields.only("title", "switch", "ports", optional=("wires", "units", "memories", "area", "price"))
    memories = tuple(_read_memory(name, child, places) for name, child in fields.children("memories"))
    units = tuple(_read_unit(name, child, [m.name for m in memories]) for name, child in fields.children("units"))
    _check_inside(fields, units, memories)
    _check_queues(fields, units, memories)
    switch = _read_switch(fields.child("switch"))
    wires: tuple[Link, ...] = ()
    if units or memories:
        if "wires" not in fields:
            raise fields.error("wires", "nothing", "{latency: ...} of the wires between the parts and the switch")
        wire = fields.child("wires")
        wire.only("latency")
        latency_ps = wire.time_ps("latency")
        # Unlimited: on a package the memories, the windows and the switch limit, not the wires.
        hanging: list[Unit | Memory] = [*units, *memories]
        wires = tuple(
            Link(f"{part.name}-{switch.name}", (part.name, switch.name), math.inf, 1.0, latency_ps) for part in hanging
        )
    figures = DeviceFigures(
        "",
        fields.positive("area", "mm2") if "area" in fields else None,
        fields.positive("price", "USD") if "price" in fields else None,
    )
    return DeviceParts(units, memories, wires, switch, fields.words("ports"), figures)


def _read_memory(name: str, fields: Fields, places: Places) -> Memory:
    if "kind" in fields and fields.word("kind", MEMORY_KINDS) == "flash":
        return read_flash(name, fields, MOST_CAPACITY_BYTES)
    fields.only(
        "kind",
        "standard",
        "capacity",
        "channels",
        "interleave",
        "peak",
        "latency",
        optional=("speed", "sequential_read", "internal_peak", "row_timeout", "energy"),
    )
    capacity_bytes = fields.whole("capacity", "bytes", most=MOST_CAPACITY_BYTES)
    channels = Channels(
        fields.whole("channels", most=MOST_CHANNELS),
        fields.whole("interleave", "bytes", most=MOST_CAPACITY_BYTES),
        fields.finite("peak", "bytes/s"),
    )
    described = read_dram(fields, places, channels, capacity_bytes)
    return Memory(
        name=name,
        kind=fields.word("kind", MEMORY_KINDS),
        capacity_bytes=capacity_bytes,
        base_address=0,
        channels=channels.count,
        interleave_bytes=channels.interleave_bytes,
        peak_bytes_per_s=channels.peak_bytes_per_s,
        efficiency=described.efficiency,
        latency_ps=fields.time_ps("latency"),
        standard=described.title,
        dram=described.dram,
        conflicts=_conflicts(fields, described.dram, channels.count),
        internal_peak_bytes_per_s=fields.finite("internal_peak", "bytes/s") if "internal_peak" in fields else None,
        energy=described.energy,
    )


def _conflicts(fields: Fields, dram: DramMemory | None, channels: int) -> RowConflicts | None:
    if "row_timeout" not in fields:
        return None
    if dram is None:
        allowed = f"none: {fields.text('standard')} holds shares of the peak"
        raise fields.error("row_timeout", Plain("a time"), allowed)
    return RowConflicts.of(dram.standard, channels, fields.time_ps("row_timeout"))


def _read_unit(name: str, fields: Fields, memories: list[str]) -> Unit:
    fields.only("kind", "lanes", "local_memory", optional=("window", "queue", "model", "inside", "energy"))
    if ("window" in fields) == ("queue" in fields):
        raise fields.error("window", Plain("both" if "queue" in fields else "nothing"), "this field, or a queue")
    queue = read_queue(fields.child("queue")) if "queue" in fields else None
    kind, role = fields.text("kind"), fields.registered("kind", unit_kinds).role
    if ("model" in fields) == (role == Role.COPY):
        raise fields.error("model", kind, "a model for every unit that computes, none for one that copies")
    model = None
    if "model" in fields:
        described = fields.child("model")
        model = described.registered("kind", unit_models).read(described)
    lanes = fields.words("lanes")
    if len(set(lanes)) < len(lanes):
        raise fields.error("lanes", list(lanes), "every lane's name once")
    return Unit(
        name=name,
        kind=kind,
        lanes=lanes,
        local_memory=fields.word("local_memory", memories),
        window_bytes=fields.positive("window", "bytes") if queue is None else queue.depth * queue.command_bytes,
        model=model,
        inside=fields.flag("inside"),
        energy=UnitEnergy.read(fields.child("energy")) if "energy" in fields else None,
        command_bytes=0 if queue is None else queue.command_bytes,
    )


def _check_queues(fields: Fields, units: Sequence[Unit], memories: Sequence[Memory]) -> None:
    """A flash memory has a queue beside it, of a unit that copies; a queue asks a flash memory for whole pages."""
    pages = {memory.name: memory.flash.page_bytes for memory in memories if memory.flash is not None}
    queues = [unit for unit in units if unit.command_bytes]
    for unit in queues:
        where, page = f"units.{unit.name}.queue", pages.get(unit.local_memory)
        if page is None or unit.role != Role.COPY:
            raise fields.error(where, Plain(f"a queue of a {unit.kind} unit"), "one of a dma unit beside flash memory")
        if unit.command_bytes % page:
            found = Plain(format_quantity(unit.command_bytes, "bytes"))
            raise fields.error(f"{where}.command", found, f"whole pages of {format_quantity(page, 'bytes')}")
    for name in pages:
        if not any(unit.local_memory == name for unit in queues):
            raise fields.error("units", Plain("no queue"), f"a dma unit with a queue beside {name}, which is flash")


def _check_inside(fields: Fields, units: Sequence[Unit], memories: Sequence[Memory]) -> None:
    """A unit sits inside a memory that has an internal peak, and such a memory has a unit inside."""
    inside = [unit for unit in units if unit.inside]
    for unit in inside:
        where = f"units.{unit.name}.inside"
        if unit.role == Role.COPY:
            raise fields.error(where, True, f"a unit that computes (a {unit.kind} unit copies)")
        if not any(m.name == unit.local_memory and m.internal_peak_bytes_per_s for m in memories):
            raise fields.error(where, True, f"an internal_peak of its memory {unit.local_memory}")
    for memory in memories:
        internal = memory.internal_peak_bytes_per_s
        if internal is None:
            continue
        where, found = f"memories.{memory.name}.internal_peak", Plain(format_quantity(internal, "bytes/s"))
        if internal < memory.peak_bytes_per_s:
            least = format_quantity(memory.peak_bytes_per_s, "bytes/s")
            raise fields.error(where, found, f"at least the peak at the port, {least}")
        if not any(unit.local_memory == memory.name for unit in inside):
            raise fields.error(where, found, "a unit with inside: true in that memory")


def _read_switch(fields: Fields) -> Switch:
    fields.only("name", "latency", "rate", optional=("multi_headed", "energy"))
    latency_ps, bytes_per_s = fields.time_ps("latency"), fields.positive("rate", "bytes/s")
    energy = TransferEnergy.read(fields.child("energy")) if "energy" in fields else None
    return Switch(fields.text("name"), latency_ps, bytes_per_s, fields.flag("multi_headed"), energy)
