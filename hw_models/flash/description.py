"""What a device description says of a memory of kind ``flash``, and of the queue that reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from moe_cosim.errors import Plain
from moe_cosim.hw_models.components import AccessEfficiency, Memory
from moe_cosim.hw_models.description import Fields
from moe_cosim.hw_models.flash.flash_memory import FlashMemory
from moe_cosim.quantity import format_quantity

PATHS: Final = ("host", "direct")
_SMALLEST_PAGE: Final = 512
_LARGEST_PAGE: Final = 65536
_MOST_DIES: Final = 4096
_DEEPEST_QUEUE: Final = 65536
"""Entries of a submission queue (NVM Express base specification 2.0, section 3.3.3)."""
_LARGEST_COMMAND: Final = 16 * 2**20
_LONGEST_RUN: Final = 2.0**30


def read_flash(name: str, fields: Fields, most_capacity_bytes: int) -> Memory:
    """The memory of that name in a device. Raises `InputError`."""
    fields.only(
        "kind",
        "capacity",
        "dies",
        "page",
        "read_peak",
        "write_peak",
        "page_read_rate",
        "page_write_rate",
        "command_time",
        "latency",
        "write_latency",
        "path",
    )
    page = fields.whole("page", "bytes")
    if not _SMALLEST_PAGE <= page <= _LARGEST_PAGE or page & (page - 1):
        raise fields.error("page", Plain(format_quantity(page, "bytes")), "a power of two from 512 B to 64 KiB")
    read, write = fields.finite("read_peak", "bytes/s"), fields.finite("write_peak", "bytes/s")
    pages = {}
    for rate, of in (("page_read_rate", read), ("page_write_rate", write)):
        pages[rate] = fields.finite(rate, "bytes/s")
        if pages[rate] > of:
            found = Plain(format_quantity(pages[rate], "bytes/s"))
            raise fields.error(rate, found, f"at most the peak, {format_quantity(of, 'bytes/s')}")
    dies, latency_ps = fields.whole("dies", most=_MOST_DIES), fields.time_ps("latency")
    busy_ps = round(dies * page / pages["page_read_rate"] * 1e12)
    if busy_ps > latency_ps:
        found = Plain(f"{dies} dies, each busy for {format_quantity(busy_ps, 'ps')} with a page")
        raise fields.error("dies", found, f"no longer than the latency, {format_quantity(latency_ps, 'ps')}")
    command_s = fields.time_ps("command_time") / 1e12
    peak = max(read, write)
    return Memory(
        name=name,
        kind="flash",
        capacity_bytes=fields.whole("capacity", "bytes", most=most_capacity_bytes),
        base_address=0,
        channels=dies,
        interleave_bytes=page,
        peak_bytes_per_s=peak,
        efficiency=shares(page, peak, (read, pages["page_read_rate"]), (write, pages["page_write_rate"]), command_s),
        latency_ps=latency_ps,
        flash=FlashMemory(page, fields.time_ps("write_latency"), fields.choice("path", PATHS)),
    )


def shares(
    page_bytes: int, peak: float, read: tuple[float, float], write: tuple[float, float], command_s: float
) -> AccessEfficiency:
    """Shares of `peak` by block length, of (peak, rate of pages at random) of reads and of writes, in bytes/s.

    A block of a page moves at the rate of pages; a longer one holds the drive for `command_s` beside its bytes at the
    peak; a run without end has the peak.
    """
    blocks = [page_bytes * 2.0**power for power in range(40) if page_bytes * 2.0**power < _LONGEST_RUN]

    def of(own_peak: float, page_rate: float) -> tuple[float, ...]:
        longer = (block / (command_s + block / own_peak) for block in blocks[1:])
        return tuple(rate / peak for rate in (page_rate, *longer, own_peak))

    return AccessEfficiency((*blocks, _LONGEST_RUN), of(*read), of(*write))


@dataclass(frozen=True)
class Queue:
    """Commands that a lane keeps under way, and what each asks for."""

    depth: int
    command_bytes: int


def read_queue(fields: Fields) -> Queue:
    """``{depth: ..., command: ...}``, each a constant. Raises `InputError`."""
    fields.only("depth", "command")
    return Queue(fields.whole("depth", most=_DEEPEST_QUEUE), fields.whole("command", "bytes", most=_LARGEST_COMMAND))
