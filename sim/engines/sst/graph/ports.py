"""The parts of a device's port on a router, and the router: each made from its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.components import Memory
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.sst.graph import sizing
from moe_cosim.sim.engines.sst.graph.graph import Component, SubComponent, Value

FAST_CLOCK: Final = "4GHz"
"""Bus and directory hand on at their next clock edge: 250 ps at most."""

ARBITER_PS: Final = 2
"""Latency of the two links at a port's arbiter, the least that SST allows."""

CORE_GROUP: Final = 1
MEMORY_GROUP: Final = 2


def nic(slot: str, bytes_per_s: float, group: int, loop_ps: int, line_bytes: int) -> SubComponent:
    """A network interface of a core or, in the other group, of a memory. `loop_ps`: of a credit, there and back."""
    rate = sizing.raw_bytes_per_s(bytes_per_s, line_bytes)
    buffer = sizing.buffer_bytes(rate, loop_ps, line_bytes)
    asks = group == CORE_GROUP
    parameters: dict[str, Value] = {
        "group": group,
        ("destinations" if asks else "sources"): f"[{MEMORY_GROUP if asks else CORE_GROUP}]",
        "network_bw": f"{rate}B/s",
        "min_packet_size": f"{sizing.HEADER_BYTES}B",
        "network_input_buffer_size": f"{buffer}B",
        "network_output_buffer_size": f"{buffer}B",
    }
    return SubComponent(slot, "memHierarchy.MemNIC", parameters)


def directory(
    name: str, addresses: tuple[int, int], interface: SubComponent, line_bytes: int, section: str, note: str
) -> Component:
    """Through which others reach the memories of `addresses` (the last included)."""
    parameters: dict[str, Value] = {
        "clock": FAST_CLOCK,
        "entry_cache_size": 0,
        "cache_line_size": line_bytes,
        "addr_range_start": addresses[0],
        "addr_range_end": addresses[1],
    }
    return Component(name, "memHierarchy.DirectoryController", parameters, (interface,), section=section, note=note)


def arbiter(name: str, bytes_per_s: float, section: str) -> Component:
    """Between a directory and its memories."""
    rate: dict[str, Value] = {"bandwidth": f"{round(bytes_per_s)}B/s"}
    note = "reads from outside take turns, no faster than their data can leave"
    return Component(name, "moecosim.PortArbiter", rate, section=section, note=note)


def router(
    name: str, number: int, ports: int, rate: int, latency_ps: int, loop_ps: int, line_bytes: int, note: str
) -> Component:
    """`rate`: of the fastest port, headers included."""
    buffer = sizing.buffer_bytes(rate, loop_ps, line_bytes)
    into = latency_ps // 2
    parameters: dict[str, Value] = {
        "id": number,
        "num_ports": ports,
        "num_vns": 1,
        "link_bw": f"{rate}B/s",
        "xbar_bw": f"{4 * rate}B/s",
        "flit_size": f"{sizing.FLIT_BYTES}B",
        "input_latency": f"{into}ps",
        "output_latency": f"{latency_ps - into}ps",
        "input_buf_size": f"{buffer}B",
        "output_buf_size": f"{buffer}B",
    }
    topology = (SubComponent("topology", "merlin.singlerouter"),)
    return Component(name, "merlin.hr_router", parameters, topology, section="fabric", note=note)


def span(machine: Machine, memories: Sequence[Memory]) -> tuple[int, int]:
    """First and last address of a directory before `memories`: no other memory may lie between them."""
    first = min(memory.base_address for memory in memories)
    last = max(memory.base_address + memory.capacity_bytes for memory in memories) - 1
    between = [m.name for m in machine.memory_list if m not in memories and first <= m.base_address <= last]
    if between:
        found = Plain(f"{', '.join(between)} between {memories[0].name} and {memories[-1].name}")
        allowed = "a device's memories next to each other (sst engine)"
        raise InputError(f"machine {machine.name}", "addresses", found, allowed)
    return first, last


def ranges(memories: Sequence[Memory]) -> str:
    """Start and end (excluded) of each, as an array parameter."""
    edges = [f"{edge}" for m in memories for edge in (m.base_address, m.base_address + m.capacity_bytes)]
    return f"[{', '.join(edges)}]"
