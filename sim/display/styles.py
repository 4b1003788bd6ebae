"""Colours, hatches, markers and dashes in one fixed order, told apart by the colour-blind and in grayscale print."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from moe_cosim.sim.engines.timeline import BOUNDS
from moe_cosim.sim.results.energy.account import TIME
from moe_cosim.workloads.programs.program import PURPOSES

COLOURS: Final = (
    ("blue", "#0072B2"),
    ("orange", "#E69F00"),
    ("bluish green", "#009E73"),
    ("yellow", "#F0E442"),
    ("reddish purple", "#CC79A7"),
    ("dark gray", "#555555"),
    ("sky blue", "#56B4E9"),
    ("vermillion", "#D55E00"),
)
"""Of M. Okabe, K. Ito: Color Universal Design (2008), figure 16, in an order in which neighbours differ in lightness;
dark gray stands in the place of black, in which no hatch would be seen."""

HATCHES: Final = ("", "///", "\\\\\\", "...", "xxx", "---", "|||", "ooo")
"""As matplotlib writes them; of the first eight series no two have the same."""
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: Final = ((), (5, 1.5), (1.5, 1.5), (6, 1.5, 1.5, 1.5))
"""On and off, in widths of the line; () is solid."""
SEQUENTIAL: Final = "cividis"
"""The colour map of heat maps: lightness alone tells all (J. Nuñez, C. Anderton, R. Renslow: Optimizing colormaps with
consideration for color vision deficiency, PLOS ONE 2018)."""


@dataclass(frozen=True)
class Style:
    """How one series is drawn."""

    colour: str
    hatch: str
    marker: str
    dashes: tuple[float, ...]


def style(index: int) -> Style:
    """Of the series of that place. The first eight differ in colour, hatch and marker; all of the first 64 in the pair
    of colour and hatch."""
    turn, place = divmod(index, len(COLOURS))
    return Style(
        COLOURS[place][1],
        HATCHES[(place + turn) % len(HATCHES)],
        MARKERS[(place + turn) % len(MARKERS)],
        DASHES[index % len(DASHES)],
    )


_PURPOSES: Final = ("expert", "attention", "move weights", "host", TIME, "dispatch", "combine", "gate")
"""Those that most runs spend their time and energy on, which therefore get the eight styles that differ most."""
FIXED: Final[tuple[tuple[str, ...], ...]] = (
    (*_PURPOSES, *(name for name in PURPOSES if name not in _PURPOSES)),
    BOUNDS,
    ("static", "active", "on chip", "read", "write", "activate", "background", "refresh", "transfer"),
    ("weights", "activations", "kv"),
    ("gpu", "ndp", "cpu", "dma"),
    ("hot", "warm", "cold"),
)
"""Names that have the same style in every figure: purposes, bounds, causes of energy, contents, kinds of unit, classes
of experts."""


def styles(names: Iterable[str]) -> dict[str, Style]:
    """One for each: names of one of the lists of `FIXED` have their place there, others that of their order."""
    names = list(names)
    family = next((fixed for fixed in FIXED if any(name in fixed for name in names)), ())
    order = [*family, *(name for name in names if name not in family)]
    return {name: style(order.index(name)) for name in names}
