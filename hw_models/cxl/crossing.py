"""What a byte of data takes of the links on its way, and of the ways back of those that carry CXL.mem."""

from __future__ import annotations

from collections.abc import Collection

from moe_cosim.hw_models.machine import Machine


def crossed(machine: Machine, way: Collection[int], reads: Collection[int]) -> list[tuple[int, float]]:
    """(resource, its bytes per byte of data) for data that go the `way`, resources of `machine`.

    On those in `reads` the data are read, on the others written. A CXL link's rate is that of reads alone; a read's
    request takes some of its other direction, and so does the answer to a write. Elsewhere a byte takes a byte.
    """
    found: list[tuple[int, float]] = []
    back: list[tuple[int, float]] = []
    for index in way:
        resource = machine.resources[index]
        protocol = machine.links[resource.component].protocol if resource.kind == "link" else None
        if protocol is None:
            found.append((index, 1.0))
            continue
        read, write = protocol.read, protocol.write
        data, header = (read.s2m, read.m2s) if index in reads else (write.m2s, write.s2m)
        found.append((index, data / read.s2m))
        if header:
            back.append((_other_way(machine, index), header / read.s2m))
    return found + back


def _other_way(machine: Machine, index: int) -> int:
    """A machine's links follow its memories, two directions each."""
    first = len(machine.memories)
    return first + ((index - first) ^ 1)
