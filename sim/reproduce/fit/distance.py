"""How far cells are from what is published, in the noise of the routing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import stdev
from typing import Final

from moe_cosim.sim.reproduce.cell import Cell

FLOOR: Final = 0.05
"""Published numbers are rounded, and read off figures: nothing is told apart below 5 %."""


def off(cell: Cell, simulated: float) -> float:
    """ln(simulated / published); 0 of a value within a bound."""
    found = math.log(max(simulated, 1e-12) / cell.published)
    return max(found, 0.0) if cell.at_most else found


def noises(cells: Sequence[Cell]) -> list[float]:
    """Of each cell: the deviation of its logarithm over routing seeds, or `FLOOR` where that is more."""
    return [
        max(FLOOR, stdev(math.log(max(value, 1e-12)) for value in (cell.simulated, *cell.others)) if cell.others else 0)
        for cell in cells
    ]


def distance(cells: Sequence[Cell], noise: Sequence[float]) -> float:
    """Root of the mean square of all cells' misfits, each over its noise."""
    squares = [(off(cell, cell.simulated) / own) ** 2 for cell, own in zip(cells, noise, strict=True)]
    return math.sqrt(sum(squares) / len(squares))
