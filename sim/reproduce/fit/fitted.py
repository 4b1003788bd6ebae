"""What a fit found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.fit.distance import distance
from moe_cosim.version import VERSION

END: Final = 0.05
"""A value so near an end of its range, of the range, is at the end."""


@dataclass(frozen=True)
class FittedUnknown:
    """Distances are of the search's runs."""

    name: str
    default: Any
    fitted: Any
    """The default where the fit does not need it elsewhere."""
    range: tuple[Any, ...]
    place: float | None
    """Of the fitted value in the range, from 0 to 1; None of a choice."""
    alone: float
    """The nearest that this one brings the cells, all others at their defaults."""
    alone_at: Any
    """Its value there."""
    without: float | None
    """Distance of the fitted set with this one back at its default; None where that cannot run."""

    @property
    def is_moved(self) -> bool:
        """Whether the fit needs it elsewhere than its default."""
        return bool(self.fitted != self.default)

    @property
    def at_end(self) -> bool:
        """Whether it was moved to an end of its range, which then limits the fit."""
        return self.is_moved and self.place is not None and not END < self.place < 1 - END


@dataclass(frozen=True)
class FittedCell:
    """One published number, with the defaults and as fitted."""

    figure: str
    cell: str
    published: float
    default: float
    fitted: float
    noise: float
    """Of its logarithm, over routing seeds; 0.05 at the least."""
    at_most: bool = False
    """Whether the published number is a bound from above."""

    @property
    def ratio(self) -> float:
        """As fitted over published."""
        return self.fitted / self.published

    def under(self, value: float) -> Cell:
        """The cell with another simulated value."""
        return Cell(self.figure, self.cell, self.published, value, at_most=self.at_most)


@dataclass(frozen=True)
class Fitted:
    """Distances are root mean squares of the cells' misfits over their noise: 1 is as near as one can tell."""

    name: str
    title: str
    cells: list[FittedCell]
    """In full length, unless it was to be quick."""
    unknowns: list[FittedUnknown]
    """Those that move a cell; the ones that the fit needs most first."""
    asked: int
    """How many unknowns there are."""
    default_distance: float
    """Of the search's runs, as the next one."""
    fitted_distance: float
    trials: int
    failed: int
    """Sets that cannot run."""
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
    def shown_distances(self) -> tuple[float, float]:
        """Of `cells`: by default, and fitted."""
        noise = [cell.noise for cell in self.cells]
        before, after = ([cell.under(getattr(cell, which)) for cell in self.cells] for which in ("default", "fitted"))
        return distance(before, noise), distance(after, noise)

    @property
    def notes(self) -> list[str]:
        """How plausible the set is."""
        moved = [one.name for one in self.unknowns if one.is_moved]
        ends = [one.name for one in self.unknowns if one.at_end]
        settles = self.settles
        alone = (
            "no single one does"
            if settles is None
            else f"{settles.name} alone ({settles.alone_at}) to {settles.alone:.2f}"
        )
        before, after = self.shown_distances
        return [
            f"Distance of the cells (misfits over noise, root mean square): {before:.2f} by default, {after:.2f} "
            "fitted.",
            f"Of the search's runs {self.default_distance:.2f} by default, {self.fitted_distance:.2f} fitted; {alone}.",
            f"{len(moved)} of the {len(self.unknowns)} unknowns that move a cell are not at their default; there are "
            f"{self.asked} in all.",
            f"Of {self.drawn} sets drawn from the ranges {self.as_near_as_default:.0%} come as near as the default.",
            f"At an end of their range: {', '.join(ends) if ends else 'none'}.",
            f"{self.trials} sets, {self.failed} of all cannot run; noise of {self.seeds} routing seeds.",
        ]

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        document = asdict(self)
        for row, cell in zip(document["cells"], self.cells, strict=True):
            row["ratio"] = cell.ratio
        for row, one in zip(document["unknowns"], self.unknowns, strict=True):
            row["at_end"] = one.at_end
        settles = self.settles
        return document | {"settles": None if settles is None else settles.name, "notes": self.notes}
