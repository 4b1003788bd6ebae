"""Which memory each access lies in, refused where it lies in none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.machine import Machine
from moe_cosim.workloads.programs.program import Program


def memory_of(machine: Machine, program: Program, rows: NDArray[np.int64], where: str) -> NDArray[np.int64]:
    """[rows] index into `machine.memory_list` for each of these access `rows`; every range lies in one memory, else
    `InputError`.
    """
    access = program.accesses[rows]
    memory = machine.memory_index(access["address"])
    ends = np.array([m.base_address + m.capacity_bytes for m in machine.memory_list] or [0], dtype=np.uint64)
    room = np.where(memory >= 0, ends[memory] - access["address"], np.uint64(0))
    bad = (memory < 0) | (access["bytes"] > room)
    if bad.any():
        raise outside_every_memory(machine, program, int(rows[np.argmax(bad)]), where)
    return memory


def outside_every_memory(machine: Machine, program: Program, row: int, where: str) -> InputError:
    """The error of access `row`, whose range no memory holds."""
    ranges = ", ".join(
        f"{m.name} {m.base_address:#x}..{m.base_address + m.capacity_bytes:#x}" for m in machine.memory_list
    )
    access = program.accesses[row]
    found = f"{int(access['address']):#x} + {int(access['bytes'])} bytes"
    return InputError(where, f"accesses[{row}]", Plain(found), f"a range inside one of {ranges}")
