"""What is asked of a figure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from moe_cosim.errors import InputError, Plain

LINES, BARS, BREAKDOWN, CDF, ROOFLINE, HEATMAP, PARETO, TORNADO = KINDS = (
    "lines",
    "bars",
    "breakdown",
    "cdf",
    "roofline",
    "heatmap",
    "pareto",
    "tornado",
)
CORNERS: Final = ("upper-left", "upper-right", "lower-left", "lower-right")
"""Where the best point would be, of a Pareto front."""
_EVERYWHERE: Final = ("kind", "labels", "size", "height_in", "condition", "all_versions")
_TAKES: Final[dict[str, tuple[str, ...]]] = {
    LINES: ("x", "y", "hue", "log", "order"),
    PARETO: ("x", "y", "hue", "pareto", "log", "order"),
    BARS: ("x", "y", "hue", "log", "order", "baseline", "speedup", "geomean", "stacked", "values"),
    BREAKDOWN: ("x", "hue", "order", "of", "by", "phase", "per", "parts", "share", "baseline"),
    CDF: ("y", "hue", "of", "by", "log", "order"),
    ROOFLINE: ("phase",),
    TORNADO: ("y", "baseline", "parts"),
    HEATMAP: ("x", "y", "hue", "of", "phase", "order", "values"),
}


@dataclass(frozen=True)
class FigureRequest:
    """As the options of ``moe-cosim plot`` say it; what a kind does not take is an `InputError`."""

    kind: str = LINES
    x: str | None = None
    y: str | None = None
    hue: str | None = None
    condition: str | None = None
    """Of SQL, over the points."""
    of: str | None = None
    """A breakdown: of what; a CDF: of kernels or steps; a heat map: of which quantity of experts."""
    by: str | None = None
    phase: str | None = None
    per: str | None = None
    parts: int | None = None
    """Of a breakdown: most that are shown, the rest together."""
    baseline: str | None = None
    """A value of the hue, or of x where there is none."""
    speedup: bool = False
    geomean: bool = False
    stacked: bool = False
    share: bool = False
    values: bool = False
    """Numbers beside bars and in cells."""
    pareto: str | None = None
    log: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    labels: str | None = None
    """Path of a file of labels."""
    size: str = "ieee-1"
    height_in: float | None = None
    all_versions: bool = False

    def __post_init__(self) -> None:
        """Raises `InputError` for an unknown kind, and for what it does not take."""
        if self.kind not in KINDS:
            raise InputError("plot", "--kind", self.kind, KINDS)
        takes = (*_EVERYWHERE, *_TAKES[self.kind])
        for field in fields(self):
            if field.name not in takes and getattr(self, field.name) != field.default:
                allowed = "one of " + ", ".join(option(name) for name in _TAKES[self.kind])
                raise InputError(
                    "plot", option(field.name), Plain(f"given with --kind {self.kind}"), f"{allowed} with this kind"
                )
        if self.pareto is not None and self.pareto not in CORNERS:
            raise InputError("plot", "--pareto", self.pareto, CORNERS)

    def column(self, name: str, default: str | None = None) -> str:
        """The one that --x, --y or --hue names. `InputError` where it has to and does not."""
        found = getattr(self, name) or default
        if found is None:
            raise InputError("plot", option(name), Plain("nothing"), f"a column of results, with --kind {self.kind}")
        return str(found)


def option(field: str) -> str:
    """``--all-versions`` for `all_versions`."""
    return "--" + {"condition": "where", "height_in": "height"}.get(field, field.replace("_", "-"))
