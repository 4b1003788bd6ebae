"""The colours and hatches of `sim.display.styles` for a page that is light, dark or printed.

Charts name colours by CSS variable, so that the page's style sheet alone says what is light and what is dark.
"""

from __future__ import annotations

from typing import Final

from moe_cosim.sim.display.styles import COLOURS, HATCHES, Style

_LINES: Final = {
    "": "",
    "///": "M-2,2 l4,-4 M0,8 l8,-8 M6,10 l4,-4",
    "\\\\\\": "M-2,6 l4,4 M0,0 l8,8 M6,-2 l4,4",
    "...": "M1,2 h2 M5,6 h2",
    "xxx": "M0,8 l8,-8 M0,0 l8,8",
    "---": "M0,4 h8",
    "|||": "M4,0 v8",
    "ooo": "M2,4 a2,2 0 1,0 4,0 a2,2 0 1,0 -4,0",
}
"""Paths in a tile of 8 by 8, by what matplotlib calls the hatch."""


_SHAPES: Final = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "X": "M-1,-0.6L-0.6,-1L0,-0.4L0.6,-1L1,-0.6L0.4,0L1,0.6L0.6,1L0,0.4L-0.6,1L-1,0.6L-0.4,0Z",
    "*": "M0,-1L0.24,-0.32L0.95,-0.31L0.38,0.12L0.59,0.81L0,0.4L-0.59,0.81L-0.38,0.12L-0.95,-0.31L-0.24,-0.32Z",
}
"""As Vega writes them, by what matplotlib calls the marker."""


_IN_THE_DARK: Final = {"blue": "#3A93D0", "dark gray": "#B4B4B4"}
"""In the place of those that are too dark on black."""


def variables(dark: bool = False) -> dict[str, str]:
    """CSS variables of the colours."""
    return {
        f"--series-{place}": _IN_THE_DARK.get(name, colour) if dark else colour
        for place, (name, colour) in enumerate(COLOURS)
    }


def line(style: Style) -> str:
    """The colour of a line or an outline, as CSS; it follows the page's scheme."""
    return f"var(--series-{_place(style)})"


def fill(style: Style) -> str:
    """A colour where nothing is hatched, else a pattern of the page."""
    return f"url(#{_pattern(_place(style), style.hatch)})" if style.hatch else line(style)


def shape(style: Style) -> str:
    """Of a mark."""
    return _SHAPES[style.marker]


def patterns() -> str:
    """SVG definitions that `fill` refers to."""
    found = [
        f'<pattern id="{_pattern(place, hatch)}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<rect width="8" height="8" fill="var(--series-{place})"/><path d="{_LINES[hatch]}" class="hatch"/></pattern>'
        for place in range(len(COLOURS))
        for hatch in HATCHES
        if hatch
    ]
    return f'<svg width="0" height="0" aria-hidden="true"><defs>{"".join(found)}</defs></svg>'


def _place(style: Style) -> int:
    return [colour for _, colour in COLOURS].index(style.colour)


def _pattern(place: int, hatch: str) -> str:
    return f"fill-{place}-{HATCHES.index(hatch)}"
