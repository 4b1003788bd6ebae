"""How long the phases of a run took, which take turns from block to block."""

from __future__ import annotations

from dataclasses import dataclass, field

from moe_cosim.compiling import Stopwatch


@dataclass
class Phases:
    """Wall time of each, without what compiling took. What passes between two calls is of the phase that the
    second names."""

    lowering_s: float = 0.0
    """Preparing, planning and lowering."""
    engine_s: float = 0.0
    measuring_s: float = 0.0
    writing_s: float = 0.0
    """Of program and timeline."""
    _watch: Stopwatch = field(default_factory=Stopwatch)

    def lowered(self) -> None:
        self.lowering_s += self._watch.lap_s()

    def simulated(self) -> None:
        self.engine_s += self._watch.lap_s()

    def measured(self) -> None:
        self.measuring_s += self._watch.lap_s()

    def written(self) -> None:
        self.writing_s += self._watch.lap_s()
