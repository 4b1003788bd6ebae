"""A machine description built into a `Machine`: devices instantiated, linked and addressed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import Plain
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.components import Link, Memory, PeerFabric
from moe_cosim.hw_models.cxl.described import read_protocol
from moe_cosim.hw_models.description import Fields, Origin, Reading
from moe_cosim.hw_models.energy import TransferEnergy
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.merge import EXPERIMENT, Places, merge, nested
from moe_cosim.hw_models.parts import DeviceParts, read_device
from moe_cosim.remembered import Remembered, Stamp, stamp

ADDRESS_STEP = 1 << 40
"""Every memory starts at a multiple of 1 TiB, the first at 1 TiB: address 0 is nobody's."""


_DEVICES: Final[Remembered[tuple[DeviceParts, Reading]]] = Remembered(64)


def build_machine(name: str | Path, assumptions: Assumptions, settings: Mapping[str, object] | None = None) -> Machine:
    """The machine `name` (a catalog name, or the path of a description).

    `assumptions` holds the experiment's values of assumptions and learns which were used.
    `settings` replaces fields before building, ``{"devices.ndp.count": 4}``; a plain value there
    counts as set by the experiment. Raises `InputError` for anything that is not a valid machine.
    """
    return read_machine(name, assumptions, settings)[0]


def build_with_origins(
    name: str | Path, assumptions: Assumptions, settings: Mapping[str, object] | None = None
) -> tuple[Machine, tuple[Origin, ...]]:
    """As `build_machine`, with the origin of every constant, in the order in which they were read."""
    machine, reading = read_machine(name, assumptions, settings)
    return machine, tuple(reading.origins)


def read_machine(
    name: str | Path, assumptions: Assumptions, settings: Mapping[str, object] | None = None
) -> tuple[Machine, Reading]:
    """As `build_machine`, with what was collected on the way."""
    path = catalog.find(name, "machine")
    places = Places(str(path))
    shared_path = catalog.shared_path()
    files = {shared_path: stamp(shared_path)}
    reading = Reading(assumptions, catalog.shared_assumptions()[0], str(shared_path), files=files)
    tree = merge(reading.read(path, "machine"), nested(settings or {}), places, lambda _: EXPERIMENT)
    fields = Fields(tree, reading, places)
    fields.only("title", "devices", optional=("links", "peers"))

    devices: dict[str, list[tuple[str, DeviceParts]]] = {}
    for group, child in fields.children("devices"):
        devices[group] = _read_instances(group, child, places)
    links = [link for name_, child in fields.children("links") for link in _read_links(name_, child, devices, places)]

    peers = [_read_peer(name_, child, devices) for name_, child in fields.children("peers")]

    parts = [device for group in devices.values() for _, device in group]
    machine = Machine(
        name=path.stem,
        units=[unit for device in parts for unit in device.units],
        memories=_addressed(itertools.chain.from_iterable(device.memories for device in parts)),
        links=[*(wire for device in parts for wire in device.wires), *links],
        switches=[device.switch for device in parts],
        assumptions=[assumptions.resolve(declared) for declared in reading.declared.values()],
        title=fields.text("title"),
        peers=peers,
        devices=[device.figures for device in parts],
    )
    return machine, reading


def build_device(tree: Mapping[str, object], path: Path, assumptions: Assumptions) -> Machine:
    """A machine of one device alone, for costs on it: the description `tree`, read from `path` and perhaps changed.

    Its parts are called ``device.<part>``. Raises `InputError`.
    """
    shared_path = catalog.shared_path()
    reading = Reading(assumptions, catalog.shared_assumptions()[0], str(shared_path))
    device = read_device(tree, reading, Places(str(path))).named("device")
    return Machine(
        name=path.stem,
        units=device.units,
        memories=_addressed(device.memories),
        links=device.wires,
        switches=[device.switch],
        assumptions=assumptions.used(),
    )


def _addressed(memories: Iterable[Memory]) -> list[Memory]:
    """One after the other, each from a multiple of `ADDRESS_STEP`."""
    placed, address = [], ADDRESS_STEP
    for memory in memories:
        placed.append(replace(memory, base_address=address))
        address += -(-memory.capacity_bytes // ADDRESS_STEP) * ADDRESS_STEP
    return placed


def _read_instances(group: str, fields: Fields, places: Places) -> list[tuple[str, DeviceParts]]:
    """(instance name, its parts) of one entry of `devices`: one, or `count` numbered from 0."""
    if "device" not in fields:
        raise fields.error("device", Plain("nothing"), "this field must be given")
    where, path = places.locate(f"devices.{group}.device")
    file = catalog.find(fields.text("device"), "device", where, path)
    count = fields.count("count", 1)
    changes = {key: value for key, value in fields.items() if key not in ("device", "count")}
    device = _device(group, file, changes, fields.reading, places)
    names = [group] if count == 1 else [f"{group}{index}" for index in range(count)]
    return [(name, device.named(name)) for name in names]


def _device(group: str, file: Path, changes: Mapping[str, object], reading: Reading, places: Places) -> DeviceParts:
    """The device in `file` with `changes`; read once per process, for machines that differ in other parts."""

    def read(collected: Reading) -> DeviceParts:
        own = places.below(f"devices.{group}", str(file))
        tree = merge(collected.read(file, "device"), changes, own, lambda full: places.locate(full)[0])
        return read_device(tree, collected, own)

    def make(assumptions: Assumptions) -> tuple[tuple[DeviceParts, Reading], Mapping[Path, Stamp]]:
        part = reading.apart(assumptions)
        return (read(part), part), part.files

    key = group, str(file), repr(changes), repr((places.where, places.overlaid_at(f"devices.{group}")))
    device, part = _DEVICES.get(key, reading.assumptions, make)
    if not reading.agrees(part):
        return read(reading)  # which says what is declared twice
    reading.take_over(part)
    return device


def _read_links(
    name: str, fields: Fields, devices: Mapping[str, list[tuple[str, DeviceParts]]], places: Places
) -> list[Link]:
    """The link `name`; one per instance where an end is a device with a count."""
    for required in ("link", "ends"):
        if required not in fields:
            raise fields.error(required, Plain("nothing"), "this field must be given")
    where, path = places.locate(f"links.{name}.link")
    file = catalog.find(fields.text("link"), "link", where, path)
    own = places.below(f"links.{name}", str(file))
    changes = {key: value for key, value in fields.items() if key not in ("link", "ends")}
    tree = merge(fields.reading.read(file, "link"), changes, own, lambda full: places.locate(full)[0])
    link = Fields(tree, fields.reading, own)
    protocol = None
    if "protocol" in link:
        link.only("title", "protocol", "latency", optional=("energy",))
        protocol = read_protocol(link.child("protocol"))
        peak, efficiency = protocol.lanes.bytes_per_s, 1 / protocol.read.s2m
    else:
        link.only("title", "peak", "efficiency", "latency", optional=("energy",))
        peak, efficiency = link.positive("peak", "bytes/s"), link.share("efficiency")
    latency_ps = link.time_ps("latency")
    energy = TransferEnergy.read(link.child("energy")) if "energy" in link else None

    ends = fields.words("ends")
    if len(ends) != 2:
        raise fields.error("ends", list(ends), "two ports, [gpu.pcie, ndp.pcie]")
    a, b = (_nodes_of_port(fields, end, devices) for end in ends)
    if len(a) > 1 and len(b) > 1:
        few, many = sorted((len(a), len(b)))
        if many % few:
            raise fields.error("ends", list(ends), "counts of which one divides the other")
        a, b = ([node for node in side for _ in range(many // len(side))] for side in (a, b))
        pairs = list(zip(a, b, strict=True))  # neighbours share: modules 0 and 1 hang at channel 0
    else:
        pairs = list(itertools.product(a, b))
    names = [name] if len(pairs) == 1 else [f"{name}{index}" for index in range(len(pairs))]
    return [Link(n, pair, peak, efficiency, latency_ps, protocol, energy) for n, pair in zip(names, pairs, strict=True)]


def _read_peer(name: str, fields: Fields, devices: Mapping[str, list[tuple[str, DeviceParts]]]) -> PeerFabric:
    """The peer fabric that joins the memory ``<device>.<memory>`` of every instance of a device."""
    fields.only("members", "rate", "latency", optional=("energy",))
    member = fields.text("members")
    group, _, memory = member.partition(".")
    legal = [f"{name}.{m.name.rpartition('.')[2]}" for name, of in devices.items() for m in of[0][1].memories]
    if member not in legal:
        raise fields.error("members", member, legal)
    members = tuple(f"{instance}.{memory}" for instance, _ in devices[group])
    rate, latency_ps = fields.positive("rate", "bytes/s"), fields.time_ps("latency")
    energy = TransferEnergy.read(fields.child("energy")) if "energy" in fields else None
    return PeerFabric(name, members, rate, latency_ps, energy)


def _nodes_of_port(fields: Fields, end: str, devices: Mapping[str, list[tuple[str, DeviceParts]]]) -> list[str]:
    """The switch behind the port ``<device>.<port>``, of each instance of the device."""
    group = end.partition(".")[0]
    legal = [f"{name}.{each}" for name, group_ in devices.items() for each in group_[0][1].ports]
    if end not in legal:
        raise fields.error("ends", end, legal)
    return [device.switch.name for _, device in devices[group]]
