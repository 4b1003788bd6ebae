"""Credits of links that carry CXL.mem: how many lines may be under way beyond a link, and how long each one is.

A line has its credit from when its request crosses the link until its answer has (CXL 3.1, section 4.2.8; the receiver
is taken to keep room for the answer). Reads and writes have credits of their own, as their messages do.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from moe_cosim.hw_models.components import Link
from moe_cosim.hw_models.cxl.flits import LINE_BYTES
from moe_cosim.hw_models.machine import Machine


@dataclass(frozen=True)
class Credits:
    """Of one link, of its reads or of its writes."""

    link: str
    of_reads: bool
    bytes: int
    """Of the lines that may be under way."""


@dataclass(frozen=True)
class CreditUse:
    """What data that go a way hold of `limit`: a byte holds one for `loop_ps`."""

    limit: int
    """Index into `credit_limits`."""
    resource: int
    """The link's direction that the data take: index into `Machine.resources`."""
    loop_ps: int
    """From the link's near end to the memory and back, unloaded, with the flits that carry request and answer."""


def credit_limits(machine: Machine) -> list[Credits]:
    """Those of reads before those of writes, link after link."""
    found = []
    for link in machine.links.values():
        if link.protocol is not None and link.protocol.credits is not None:
            size = link.protocol.credits * LINE_BYTES
            found += [Credits(link.name, True, size), Credits(link.name, False, size)]
    return found


def credits_used(
    machine: Machine, way: Collection[int], reads: Collection[int], source: str, target: str
) -> list[CreditUse]:
    """By data that go the `way` (resources) from node `source` to node `target`, read on those in `reads`."""
    numbers = {(limit.link, limit.of_reads): number for number, limit in enumerate(credit_limits(machine))}
    found = []
    for index in way:
        resource = machine.resources[index]
        is_read = index in reads
        if resource.kind != "link" or (resource.component, is_read) not in numbers:
            continue
        link = machine.links[resource.component]
        sends, receives = link.ends if resource.name.endswith(f":{link.ends[0]}->{link.ends[1]}") else link.ends[::-1]
        near, memory = (receives, source) if is_read else (sends, target)
        found.append(CreditUse(numbers[link.name, is_read], index, _loop_ps(machine, link, near, memory)))
    return found


def _loop_ps(machine: Machine, link: Link, near: str, memory: str) -> int:
    assert link.protocol is not None
    flit_ps = link.protocol.format.flit_bytes / link.protocol.lanes.bytes_per_s * 1e12
    return machine.round_trip_ps(near, memory) + round(2 * flit_ps)
