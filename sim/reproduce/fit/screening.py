"""Which unknowns bear on a cell at all: each moved to the ends of its range, one at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from moe_cosim.errors import MoeCosimError
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.fit.distance import off
from moe_cosim.sim.reproduce.fit.simulated import SimulatedSets, Values
from moe_cosim.sim.reproduce.fit.unknowns import Unknown
from moe_cosim.sim.run_many import Counted

MOVES: Final = 0.01
"""A cell that changes by more than 1 % is moved."""
_TOGETHER: Final = 4
"""Neighbours of a list belong to one part of a machine, and often nothing hangs on any."""


@dataclass(frozen=True)
class Screened:
    """What the runs with one unknown elsewhere have shown."""

    moving: list[Unknown] = field(default_factory=list)
    tried: list[tuple[Values, float]] = field(default_factory=list)
    """Sets of one unknown elsewhere, with their distances."""
    failed: int = 0
    """Ends at which a run cannot be."""

    def nearest(self, unknown: Unknown) -> float:
        """How near it alone brings the cells, at an end."""
        return min((far for values, far in self.tried if unknown.name in values), default=float("inf"))


def screened(sets: SimulatedSets, progress: Counted | None = None) -> Screened:
    """Unknowns that move no cell from where the default set has it are left out; choices of the reproduction stay.

    Neighbours in the list of assumptions are moved together first: where that moves nothing (energies, say), none of
    them is tried alone.
    """
    still = _still(sets)
    found: list[Unknown] = []
    tried: list[tuple[Values, float]] = []
    failed = 0
    for number, unknown in enumerate(sets.unknowns):
        moves = not unknown.is_assumption
        for value in () if unknown.name in still else unknown.elsewhere:
            values = {unknown.name: value}
            try:
                cells = sets.cells(values)
            except MoeCosimError:
                failed += 1
                continue
            moves = moves or _moved(sets, cells)
            tried.append((values, sets.distance(cells)))
        if moves:
            found.append(unknown)
        if progress is not None:
            progress(number + 1, len(sets.unknowns))
    names = {unknown.name for unknown in found}
    return Screened(found, [each for each in tried if names.issuperset(each[0])], failed)


def _still(sets: SimulatedSets) -> set[str]:
    """Assumptions that move nothing even together with their neighbours."""
    assumptions = [unknown for unknown in sets.unknowns if unknown.is_assumption]
    parts = [assumptions[at : at + _TOGETHER] for at in range(0, len(assumptions), _TOGETHER)]
    return {
        unknown.name
        for part in parts
        if not any(_moves(sets, {one.name: one.values[end] for one in part}) for end in (0, -1))
        for unknown in part
    }


def _moves(sets: SimulatedSets, values: Values) -> bool:
    try:
        return _moved(sets, sets.cells(values))
    except MoeCosimError:
        return True


def _moved(sets: SimulatedSets, cells: list[Cell]) -> bool:
    return any(
        abs(off(cell, cell.simulated) - off(before, before.simulated)) > MOVES
        for before, cell in zip(sets.default, cells, strict=True)
    )
