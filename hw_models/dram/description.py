"""What a device description says of a memory's DRAM: a standard and a speed, or shares of the peak by block length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from moe_cosim.errors import Plain
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.components import AccessEfficiency
from moe_cosim.hw_models.description import Fields
from moe_cosim.hw_models.dram.memory import DramMemory, with_sequential_read
from moe_cosim.hw_models.dram_timing.controller import PAGE_POLICIES, REFRESHES, Controller
from moe_cosim.hw_models.dram_timing.layout import NAMED
from moe_cosim.hw_models.dram_timing.pattern import STARTS
from moe_cosim.hw_models.dram_timing.speed import at_speed
from moe_cosim.hw_models.dram_timing.standard import DramStandard, read_standard
from moe_cosim.hw_models.energy import MemoryEnergy
from moe_cosim.hw_models.merge import Places
from moe_cosim.quantity import format_quantity, parse_quantity

_TOLERANCE: Final = 0.01
"""Data sheets round: 3.35 TB/s, 5.2 Gb/s."""
_MEGA: Final = 1e6
_SPEED_FROM: Final = ("peak", "channels", "standard")
_MOST_QUEUE: Final = 4096


@dataclass(frozen=True)
class Described:
    """What a memory's standard comes to."""

    title: str
    efficiency: AccessEfficiency
    dram: DramMemory | None
    """None where the description holds shares alone."""
    energy: MemoryEnergy | None


@dataclass(frozen=True)
class Channels:
    """What a memory says of itself that its DRAM must agree with."""

    count: int
    interleave_bytes: int
    peak_bytes_per_s: float


def read_dram(fields: Fields, places: Places, channels: Channels, capacity_bytes: int) -> Described:
    """Of the memory in `fields`, which names a description of ``catalog/dram`` or a file.

    The data pins move what peak, channels and width come to. Where the memory states its `speed`, that must be the
    same within 1 %, and one that the standard has; an experiment that replaces peak or channels alone changes the
    speed with them. Raises `InputError`.
    """
    where, path = fields.place("standard")
    file = catalog.find(fields.text("standard"), "dram", where, path)
    own = fields.described("standard", "dram")
    measured = fields.share("sequential_read") if "sequential_read" in fields else None
    energy = _energy(fields, places, capacity_bytes)
    if "efficiency" in own:
        table = _shares(own, str(file))
        if "speed" in fields:
            raise fields.error("speed", Plain("a speed"), f"none: {fields.text('standard')} holds shares of the peak")
        efficiency = table if measured is None else with_sequential_read(table, measured)
        return Described(own.text("title"), efficiency, None, energy)
    listed = read_standard(file)
    speed = _speed(fields, places, listed, channels)
    controller, starts = _controller(own, listed, file)
    dram = DramMemory(at_speed(listed, speed), controller, measured, starts)
    efficiency = dram.efficiency(channels.count, channels.interleave_bytes)
    title = listed.title if speed == listed.megatransfers_per_s else f"{listed.title} at {speed:g} MT/s"
    return Described(title, efficiency, dram, energy)


def _energy(fields: Fields, places: Places, capacity_bytes: int) -> MemoryEnergy | None:
    """What the memory itself says, or what the catalogue has of its standard; None where neither says any."""
    if "energy" in fields:
        return MemoryEnergy.read(fields.child("energy"), capacity_bytes)
    path, standard = catalog.dram_energy_path(), fields.text("standard")
    known = fields.reading.read(path, "dram-energy")
    if standard not in known:
        return None
    below = places.below(f"{fields.path}.energy", f"{path}: {standard}")
    return MemoryEnergy.read(Fields(known[standard], fields.reading, below), capacity_bytes)


def _speed(fields: Fields, places: Places, standard: DramStandard, channels: Channels) -> float:
    """MT/s that the data pins move."""
    follows = channels.peak_bytes_per_s * 8 / _MEGA / (channels.count * standard.data_bits)
    changed = {name for name in (*_SPEED_FROM, "speed") if places.set_by_experiment(f"{fields.path}.{name}")}
    if changed and "speed" not in changed:
        return round(follows, 1)
    of = f"{channels.count} channels of {standard.data_bits} bits"
    if "speed" in fields:
        speed = fields.finite("speed", "transfers/s") / _MEGA
        if abs(follows / speed - 1) > _TOLERANCE:
            comes_to = format_quantity(speed * _MEGA * standard.data_bits / 8 * channels.count, "bytes/s")
            found = Plain(format_quantity(channels.peak_bytes_per_s, "bytes/s"))
            raise fields.error("peak", found, f"{comes_to}, which is {of} at {speed:g} MT/s")
    low, high = standard.speeds_megatransfers_per_s
    if not low * (1 - _TOLERANCE) <= follows <= high * (1 + _TOLERANCE):
        found = Plain(f"{follows:g} MT/s a pin, with {of}")
        raise fields.error("peak", found, f"what parts of {standard.title} reach, {low:g} to {high:g} MT/s")
    return round(follows, 1)


def _controller(fields: Fields, standard: DramStandard, where: object) -> tuple[Controller, str]:
    """What is assumed of it, and of where streams start."""
    if "controller" not in fields:
        raise fields.error("controller", Plain("nothing"), "what is assumed of the controller")
    said = fields.child("controller")
    said.only("mapping", "queue", "page_policy", "refresh", "starts")
    refreshes = REFRESHES if "tRFCpb" in standard.timings else [each for each in REFRESHES if each != "per-bank"]
    queue = said.whole("queue", most=_MOST_QUEUE)
    controller = Controller(
        mapping=said.choice("mapping", NAMED),
        read_queue=queue,
        write_queue=queue,
        page_policy=said.choice("page_policy", PAGE_POLICIES),
        refresh=said.choice("refresh", refreshes),
        where=where,
    )
    return controller, said.choice("starts", STARTS)


def _shares(fields: Fields, file: str) -> AccessEfficiency:
    """The longest block of the table stands for a sequential stream."""
    fields.only("title", "efficiency")
    points = []
    for block, shares in fields.children("efficiency"):
        shares.only("read", "write")
        size = parse_quantity(block, "bytes", file, "efficiency")
        points.append((size, shares.share("read"), shares.share("write")))
    if not points:
        raise fields.error("efficiency", {}, "at least one block size")
    blocks, reads, writes = zip(*sorted(points), strict=True)
    return AccessEfficiency(blocks, reads, writes)
