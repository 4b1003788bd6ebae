"""What a fit found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from moe_cosim.version import VERSION

END: Final = 0.05
"""A value so near an end of its range, of the range, is at the end."""


@dataclass(frozen=True)
class FittedUnknown:
    name: str
    default: Any
    fitted: Any
    range: tuple[Any, ...]
    place: float | None
    """In the range, from 0 to 1; None of a choice."""
    alone: float
    """Distance with this one at its fitted value and all others at their defaults."""

    @property
    def at_end(self) -> bool:
        return self.place is not None and not END < self.place < 1 - END


@dataclass(frozen=True)
class FittedCell:
    figure: str
    cell: str
    published: float
    default: float
    fitted: float
    noise: float
    """Of its logarithm, over routing seeds; 0.05 at the least."""

    @property
    def ratio(self) -> float:
        return self.fitted / self.published


@dataclass(frozen=True)
class Fitted:
    """Distances are root mean squares of the cells' misfits over their noise: 1 is as near as one can tell."""

    name: str
    title: str
    cells: list[FittedCell]
    unknowns: list[FittedUnknown]
    default_distance: float
    fitted_distance: float
    trials: int
    failed: int
    """Trials that could not run."""
    drawn: int
    """Trials that were drawn at random from the ranges, before any was chosen by those before."""
    as_near_as_default: float
    """Share of the drawn that come as near as the default set."""
    seeds: int
    wall_s: float
    version: str = field(default=VERSION)

    @property
    def settles(self) -> FittedUnknown | None:
        """The unknown that alone brings the cells closest; None where none does."""
        best = min(self.unknowns, key=lambda one: one.alone)
        return best if best.alone < self.default_distance else None

    @property
    def notes(self) -> list[str]:
        """How plausible the set is."""
        ends = [one.name for one in self.unknowns if one.at_end]
        settles = self.settles
        alone = "no single one does" if settles is None else f"{settles.name} alone to {settles.alone:.2f}"
        return [
            f"Distance (misfits over noise, root mean square): {self.default_distance:.2f} by default, "
            f"{self.fitted_distance:.2f} fitted; {alone}.",
            f"Of {self.drawn} sets drawn from the ranges {self.as_near_as_default:.0%} come as near as the default.",
            f"At an end of their range: {', '.join(ends) if ends else 'none'}.",
            f"{self.trials} sets, {self.failed} of which cannot run; noise of {self.seeds} routing seeds.",
        ]

    def as_dict(self) -> dict[str, Any]:
        document = asdict(self)
        for row, cell in zip(document["cells"], self.cells, strict=True):
            row["ratio"] = cell.ratio
        for row, one in zip(document["unknowns"], self.unknowns, strict=True):
            row["at_end"] = one.at_end
        settles = self.settles
        return document | {"settles": None if settles is None else settles.name, "notes": self.notes}
