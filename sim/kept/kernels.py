"""A run's kernels by class: what they computed, read and wrote, and how long they took; and the roofs above them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from moe_cosim.hw_models.components import Unit
from moe_cosim.hw_models.formats import BF16, WeightFormat, formats
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.kept.kept_run import KeptRun
from moe_cosim.sim.results.energy.tally import EnergyTally
from moe_cosim.workloads.programs.program import PHASES, PURPOSES
from moe_cosim.workloads.run_kinds import draw_scenario

_EXPERTS: Final = "experts"
"""The part of a model whose kernels have their width in their tags."""
_LARGE: Final = 16384
"""Side of the square product that a unit's roof is asked for: so large that nothing but arithmetic counts."""


@dataclass(frozen=True)
class KernelClass:
    """All kernels of one unit, phase, purpose and width of experts (0: of other parts)."""

    unit: str
    phase: str
    purpose: str
    bits: int
    operations: int
    """Multiplications and additions."""
    bytes: int
    """Read from and written to memories, by the unit itself."""
    seconds: float
    """Sum over its kernels, launches included."""

    @property
    def intensity_op_per_byte(self) -> float:
        """Operations for each byte read or written."""
        return self.operations / self.bytes

    @property
    def op_per_s(self) -> float:
        """Operations over the time that the kernels took together."""
        return self.operations / self.seconds


@dataclass(frozen=True)
class Roof:
    """What a unit reaches at most: bandwidth of the memory beside it, and arithmetic as its model has it."""

    unit: str
    bytes_per_s: float
    """The peak of the data sheet."""
    op_per_s: dict[str, float]
    """By operand type, of a large product."""

    def at(self, intensity_op_per_byte: float) -> float:
        """Highest rate of a kernel of that intensity, in operations per second."""
        return min(max(self.op_per_s.values()), intensity_op_per_byte * self.bytes_per_s)


def kernel_classes(run: KeptRun) -> list[KernelClass]:
    """Those that compute, the longest first. Operations and bytes are counted as the energy of the run is."""
    scenario, timeline = draw_scenario(run.experiment), run.timeline
    program = timeline.program
    bits = program.tags["weight_bits"][program.events["tag"]]
    stored = _expert_formats(run)
    found = []
    for width in np.unique(bits).tolist():
        rows = np.flatnonzero(bits == width)
        tally = EnergyTally(scenario)
        tally.learn(stored)
        tally.add(
            replace(program, events=program.events[rows]), Timeline(timeline.start_ps[rows], timeline.end_ps[rows])
        )
        found += _classes(run.machine, tally, width)
    return sorted(found, key=lambda each: -each.seconds)


def by_part(classes: Iterable[KernelClass], part: Mapping[str, str]) -> list[KernelClass]:
    """Those of units that are instances of one part (`part` by unit) summed under its name, the longest first."""
    found: dict[tuple[str, str, str, int], KernelClass] = {}
    for one in classes:
        one = replace(one, unit=part[one.unit])
        key = one.unit, one.phase, one.purpose, one.bits
        before = found.get(key)
        if before is not None:
            one = replace(
                one,
                operations=one.operations + before.operations,
                bytes=one.bytes + before.bytes,
                seconds=one.seconds + before.seconds,
            )
        found[key] = one
    return sorted(found.values(), key=lambda one: -one.seconds)


def roofs(run: KeptRun) -> list[Roof]:
    """Of every unit that computes."""
    stored = {BF16, *_expert_formats(run)}
    return [
        Roof(unit.name, _bytes_per_s(run.machine, unit), _op_per_s(unit, stored))
        for unit in run.machine.units.values()
        if unit.model is not None
    ]


def _expert_formats(run: KeptRun) -> list[WeightFormat]:
    names = dict.fromkeys(row.format for row in run.result.precisions if row.part == _EXPERTS)
    return [formats.get(name, run.folder, "precisions") for name in names]


def _classes(machine: Machine, tally: EnergyTally, width: int) -> list[KernelClass]:
    from moe_cosim.sim.results.energy.event_counts import PURPOSE_COUNT

    columns, found = tally.columns, []
    both, types = 2 * columns.memories, columns.types
    for index, unit in enumerate(machine.units):
        moved = tally.by_use[:, index * both : (index + 1) * both].sum(axis=1)
        first = columns.operations + index * types
        operations = tally.by_use[:, first : first + types].sum(axis=1)
        active_ps = tally.by_use[:, columns.active + index]
        for use in np.flatnonzero((operations > 0) & (moved > 0) & (active_ps > 0)).tolist():
            phase, purpose = divmod(use, PURPOSE_COUNT)
            found.append(
                KernelClass(
                    unit,
                    PHASES[phase],
                    PURPOSES[purpose],
                    width,
                    int(operations[use]),
                    int(moved[use]),
                    float(active_ps[use]) / 1e12,
                )
            )
    return found


def _bytes_per_s(machine: Machine, unit: Unit) -> float:
    memory = machine.memories[unit.local_memory]
    return memory.array_bytes_per_s if unit.inside else memory.peak_bytes_per_s


def _op_per_s(unit: Unit, stored: set[WeightFormat]) -> dict[str, float]:
    assert unit.model is not None
    found: dict[str, float] = {}
    for each in sorted(stored, key=lambda one: one.bits, reverse=True):
        taken_ps = int(unit.model.dense_ps(_LARGE, _LARGE, _LARGE, each))
        operand = unit.model.computes_as(each)
        found[operand] = max(found.get(operand, 0.0), 2.0 * _LARGE**3 / (taken_ps / 1e12))
    return found
