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
        """The time since the last call was planning and lowering."""
        self.lowering_s += self._watch.lap_s()

    def simulated(self) -> None:
        """The time since the last call was the engine's."""
        self.engine_s += self._watch.lap_s()

    def measured(self) -> None:
        """The time since the last call was measuring."""
        self.measuring_s += self._watch.lap_s()

    def written(self) -> None:
        """The time since the last call was writing."""
        self.writing_s += self._watch.lap_s()
