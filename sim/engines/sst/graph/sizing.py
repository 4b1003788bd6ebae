"""Rates, buffers and line sizes of the SST graph, from the machine's."""

from __future__ import annotations

import math
from typing import Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.machine import Machine
from moe_cosim.quantity import format_quantity

FLIT_BYTES: Final = 1
HEADER_BYTES: Final = 1
"""What MemNIC adds to a line, and the whole of a read request or an acknowledgement (its min_packet_size).
As small as can be: the machine's link efficiency holds all protocol overhead already, so such packets are to
take as little of a link as possible. Packets round up to whole flits."""

LINE_SIZES: Final = (64, 128, 256, 512, 1024, 2048, 4096)
DEFAULT_LINE_BYTES: Final = 256

_LEAST_PACKETS: Final = 4
"""Fewer packets of buffer than this stall a port between packets, however short its credit loop."""

_ELEMENT_LATENCY_PS: Final = 20_000
"""Generous share of router and NIC in a credit loop, besides the latencies given to them."""


def check_line_bytes(machine: Machine, line_bytes: object, where: object) -> int:
    """A line is one request: it must fit the interleaving and every window. Raises `InputError`."""
    if isinstance(line_bytes, bool) or line_bytes not in LINE_SIZES:
        raise InputError(where, "line_size", line_bytes, f"one of {', '.join(map(str, LINE_SIZES))} (bytes)")
    line = int(str(line_bytes))
    for memory in machine.memory_list:
        interleave = memory.interleave_bytes
        if interleave % line and line % interleave:
            found = Plain(f"{line} with {memory.name} interleaved over channels every {interleave} bytes")
            raise InputError(where, "line_size", found, "a divisor or a multiple of the interleaving")
        if memory.flash is not None and line % memory.flash.page_bytes:
            found = Plain(f"{line} with pages of {memory.flash.page_bytes} bytes in {memory.name}")
            raise InputError(where, "line_size", found, "whole pages")
    for unit in machine.units.values():
        if unit.window_bytes < line:
            found = Plain(f"{line} with {unit.name}'s window of {unit.window_bytes:.0f} bytes")
            raise InputError(where, "line_size", found, "at most every unit's window")
    return line


def check_peaks(machine: Machine) -> None:
    """`InputError` for a memory that gives units inside it more than its port: a controller has one rate for all."""
    for memory in machine.memory_list:
        if memory.internal_peak_bytes_per_s is not None:
            found = Plain(format_quantity(memory.internal_peak_bytes_per_s, "bytes/s"))
            allowed = "none on the sst engine, where a memory has one peak (the embedded engine takes it)"
            raise InputError(f"machine {machine.name}", f"memories.{memory.name}.internal_peak", found, allowed)


def raw_bytes_per_s(payload_bytes_per_s: float, line_bytes: int) -> int:
    """The rate that carries `payload_bytes_per_s` of lines with their headers."""
    return round(payload_bytes_per_s * packet_bytes(line_bytes) / line_bytes)


def packet_bytes(line_bytes: int) -> int:
    """A line with its header, in whole flits."""
    return -(-(line_bytes + HEADER_BYTES) // FLIT_BYTES) * FLIT_BYTES


def buffer_bytes(raw_rate: float, credit_loop_ps: int, line_bytes: int) -> int:
    """`raw_rate` (bytes per second) x the time until a credit is back, rounded up to whole packets, with one loop to
    spare.
    """
    packet = packet_bytes(line_bytes)
    loop_ps = credit_loop_ps + _ELEMENT_LATENCY_PS + _LEAST_PACKETS * packet / raw_rate * 1e12
    return max(_LEAST_PACKETS, math.ceil(2 * raw_rate * loop_ps * 1e-12 / packet)) * packet
