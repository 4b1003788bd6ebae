"""What a cost model is: which events count in which unit's sum, and with what time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import numpy as np

from moe_cosim.sim.engines.makespan.layers import Ints, LayerEvents


class Loads(NamedTuple):
    """Terms of the experts' stage, [terms]. An event may count in several sums, or in none."""

    event: Ints
    """Index into `LayerEvents`."""
    unit: Ints
    """Whose sum, in the machine's order."""
    time_ps: Ints

    @classmethod
    def joined(cls, parts: Iterable[Loads]) -> Loads:
        """All terms of several, one after the other."""
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class CostModel(ABC):
    """A layer's experts take as long as the largest sum of a unit (`loads`)."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """The formula in a line."""
    source: ClassVar[str]

    @abstractmethod
    def loads(self, layers: LayerEvents) -> Loads:
        """The terms of all cells."""


def by_unit(layers: LayerEvents, events: Ints) -> Loads:
    """Each of these `events` [n] in its own unit's sum, with its time alone."""
    return Loads(events, layers.unit[events], layers.took_ps[events])
