"""What an event's traffic takes of each resource at least, straight from the machine's description."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.programs.program import COPY, READ, WRITE, Program


def carried(machine: Machine, program: Program, event: np.void) -> NDArray[np.float64]:
    """[resources] bytes, those of a memory divided by the share of its peak the access reaches."""
    taken = np.zeros(len(machine.resources))
    unit = program.lanes[event["lane"]][0]
    rows = program.accesses[event["first_access"] : event["first_access"] + event["accesses"]]
    where = machine.memory_index(rows["address"])
    for row, index in zip(rows, where, strict=True):
        part = machine.memory_list[index]
        taken[index] += int(row["bytes"]) / float(part.efficiency.share(row["block_bytes"], row["op"] == WRITE))
        if event["kind"] != COPY:
            ends = (part.name, unit) if row["op"] == READ else (unit, part.name)
            taken[list(machine.path(*ends).resources)] += int(row["bytes"])
    if event["kind"] == COPY:
        for row, source, target in zip(rows[::2], where[::2], where[1::2], strict=True):
            names = machine.memory_list[source].name, machine.memory_list[target].name
            taken[list(machine.path(*names).resources)] += int(row["bytes"])
    return taken


def fastest_ps(machine: Machine, program: Program, event: np.void) -> int:
    """No traffic of the event can be over sooner: its resources all to itself, latency left out."""
    rates = np.array([r.bytes_per_s for r in machine.resources]) / 1e12
    return int(np.ceil((carried(machine, program, event) / rates).max(initial=0.0) * (1 - 1e-12) - 1e-3))
