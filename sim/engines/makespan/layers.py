"""The events of a block by layer and stage, as sums over layers take them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.units.kinds import Role
from moe_cosim.sim.engines.embedded.flatten import name_of
from moe_cosim.sim.engines.makespan.alone import times_alone_ps
from moe_cosim.sim.engines.makespan.transfers import needed_by
from moe_cosim.workloads.programs.program import CONTENTS, PURPOSES, READ, SIGNAL, Program

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

BEFORE, EXPERTS, AFTER = range(3)
"""Stages of a layer: the dense part up to the gate; experts; combining."""

DISPATCH, EXPERT, MOVE, COMBINE, HOST = (
    PURPOSES.index(name) for name in ("dispatch", "expert", "move weights", "combine", "host")
)
_STAGE: Final = np.full(len(PURPOSES), BEFORE)
_STAGE[[DISPATCH, EXPERT, MOVE, PURPOSES.index("shared expert")]] = EXPERTS
_STAGE[COMBINE] = AFTER
_WEIGHTS: Final = CONTENTS.index("weights")


@dataclass(frozen=True)
class LayerEvents:
    """What works in a block (signals and waits left out): W events, lane after lane, in each in order.

    A *cell* is a layer of a step; what comes before the layers and after them are cells too. Events are asked for, and
    given, as indices [n] into the columns [W].
    """

    machine: Machine
    program: Program
    row: Ints
    """[W] in the program."""
    unit: Ints
    """[W] in the machine's order."""
    cell: Ints
    """[W] from 0 in the order of time."""
    stage: Ints
    """[W]"""
    purpose: Ints
    """[W] index into PURPOSES."""
    took_ps: Ints
    """[W] alone."""
    kernel: Ints
    """[W] of a copy of weights: the kernel of the same cell that waits for it; -1 of all others. A copy that starts
    before the gate is none, nor one that a later layer uses: they have the layer to hide in."""

    @classmethod
    def of(cls, machine: Machine, program: Program) -> LayerEvents:
        """Raises `InputError` for a program without tags, or that does not fit the machine."""
        if not len(program.tags) and len(program.events):
            raise InputError(name_of(program), "tags", Plain("none"), "a program whose events say layer and purpose")
        if tuple(program.lanes) != machine.lanes:
            found = Plain(f"{len(program.lanes)} other lanes")
            raise InputError(name_of(program), "lanes", found, f"the lanes of {machine.name}")
        units = {name: index for index, name in enumerate(machine.units)}
        row = np.flatnonzero(program.events["kind"] < SIGNAL)
        events = program.events[row]
        tags = program.tags[events["tag"]]
        unit = np.array([units[name] for name, _ in machine.lanes], np.int64)[events["lane"]]
        _, cell = np.unique(tags["step"].astype(np.int64) << 32 | tags["layer"] + 1, return_inverse=True)
        purpose = tags["purpose"].astype(np.int64)
        main = units[machine.main_unit.name]
        stage = np.where((purpose == HOST) & (unit != main), EXPERTS, _STAGE[purpose])
        took_ps = times_alone_ps(machine, program)[row]
        kernel = needed_by(program, row, cell, purpose, unit == main)
        return cls(machine, program, row, unit, cell, stage, purpose, took_ps, kernel)

    @cached_property
    def cells(self) -> int:
        """Number of cells of the block."""
        return int(self.cell.max(initial=-1)) + 1

    @cached_property
    def main(self) -> int:
        """The unit that computes the dense part."""
        return list(self.machine.units).index(self.machine.main_unit.name)

    @cached_property
    def copies(self) -> Flags:
        """[W] of a unit that copies."""
        return self.in_role(Role.COPY)[self.unit]

    def in_role(self, *roles: Role) -> Flags:
        """[U] which units are there for that."""
        return np.array([unit.role in roles for unit in self.machine.units.values()])

    def of_experts(self, *purposes: int) -> Ints:
        """Events of the experts' stage for these purposes; without any all but copies of weights that no kernel of
        the cell waits for."""
        chosen = self.stage == EXPERTS
        if purposes:
            chosen &= np.isin(self.purpose, purposes)
        return np.flatnonzero(chosen & ((self.purpose != MOVE) | (self.kernel >= 0)))

    @cached_property
    def kernels(self) -> Ints:
        """What units that compute do in the experts' stage."""
        return np.flatnonzero((self.stage == EXPERTS) & ~self.copies)

    @cached_property
    def fetches(self) -> Ints:
        """Copies of weights that a kernel of their cell waits for."""
        return np.flatnonzero(self.kernel >= 0)

    def weight_reads(self, events: Ints) -> tuple[Ints, Ints, Ints]:
        """(event, memory, bytes) of each range of weights that these read."""
        table = self.program.events[self.row[events]]
        count = table["accesses"].astype(np.int64)
        first = np.repeat(table["first_access"].astype(np.int64) - np.cumsum(count) + count, count)
        access = self.program.accesses[first + np.arange(len(first))]
        reads = (access["op"] == READ) & (access["what"] == _WEIGHTS)
        owner, access = np.repeat(events, count)[reads], access[reads]
        return owner, self.machine.memory_index(access["address"]), access["bytes"].astype(np.int64)
