"""The parts of a device's port on a router, and the router: each made from its numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from moe_cosim.hw_models.components import Memory
from moe_cosim.sim.engines.sst.graph import sizing
from moe_cosim.sim.engines.sst.graph.graph import Component, End, GraphLink, SubComponent, Value

FAST_CLOCK: Final = "4GHz"
"""Bus and directory hand on at their next clock edge: 250 ps at most."""

ARBITER_PS: Final = 2
"""Latency of the two links at a port's arbiter, the least that SST allows."""

SHORTEST_CUT_PS: Final = 20_000
"""SST's threads and ranks wait for each other once in the shortest link between them: below this, all the time."""

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


@dataclass(frozen=True)
class Ports:
    """What a router's ports have in common."""

    count: int
    rate: int
    """Of the fastest, in bytes/s, headers included."""
    loop_ps: int
    """Of a credit, there and back."""


def router(
    name: str,
    number: int,
    ports: Ports,
    latency_ps: int,
    line_bytes: int,
    note: str,
    topology: SubComponent,
    shared: int | None = None,
    trunks: Mapping[int, tuple[int, int]] | None = None,
) -> Component:
    """`shared`: bytes/s of all that crosses it, headers included. `trunks`: rate and credit loop of some ports."""
    into = latency_ps // 2
    rate = min(ports.rate, shared or ports.rate)
    parameters: dict[str, Value] = {
        "id": number,
        "num_ports": ports.count,
        "num_vns": 1,
        "link_bw": f"{rate}B/s",
        "xbar_bw": f"{shared or 4 * rate}B/s",
        "flit_size": f"{sizing.FLIT_BYTES}B",
        "input_latency": f"{into}ps",
        "output_latency": f"{latency_ps - into}ps",
        **_buffers("", rate, ports.loop_ps, line_bytes),
    }
    if shared is not None:
        parameters["xbar_arb"] = "moecosim.SharedCrossbar"
    for port, (trunk_rate, loop_ps) in (trunks or {}).items():
        parameters[f"link_bw:port{port}"] = f"{trunk_rate}B/s"
        parameters |= _buffers(f":port{port}", trunk_rate, loop_ps, line_bytes)
    return Component(name, "merlin.hr_router", parameters, (topology,), section="fabric", note=note)


def _buffers(group: str, rate: int, loop_ps: int, line_bytes: int) -> dict[str, Value]:
    size = f"{sizing.buffer_bytes(rate, loop_ps, line_bytes)}B"
    return {f"input_buf_size{group}": size, f"output_buf_size{group}": size}


def link(
    name: str, a: tuple[str, str], b: tuple[str, str], latency_ps: int, note: str = "", may_cut: bool = False
) -> GraphLink:
    """`may_cut`: whether its ends may be apart if it is long enough."""
    name = re.sub(r"\W", "_", name)  # SST warns of other characters in a link's name
    may_cut = may_cut and latency_ps >= SHORTEST_CUT_PS
    return GraphLink(name, (End(*a), End(*b)), max(1, latency_ps), note, may_cut)


def span(memories: Sequence[Memory]) -> tuple[int, int]:
    """First and last address of a directory before `memories`, a device's: no other memory lies between them."""
    first = min(memory.base_address for memory in memories)
    return first, max(memory.base_address + memory.capacity_bytes for memory in memories) - 1


def ranges(memories: Sequence[Memory]) -> str:
    """Start and end (excluded) of each, as an array parameter."""
    return array(edge for m in memories for edge in (m.base_address, m.base_address + m.capacity_bytes))


def array(values: Iterable[object]) -> str:
    """An array parameter."""
    return f"[{', '.join(map(str, values))}]"
