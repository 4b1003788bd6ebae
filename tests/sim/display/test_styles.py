"""Series can be told apart without colour, and with any kind of colour vision."""

from itertools import combinations, pairwise

import pytest

from moe_cosim.sim.display.styles import COLOURS, FIXED, HATCHES, MARKERS, style, styles
from moe_cosim.workloads.programs.program import PURPOSES

# H. Brettel, F. Viénot, J. Mollon 1997 as simplified by F. Viénot et al. 1999 (protanopia, deuteranopia), linear RGB
VIEWS = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.11238, 0.88762, 0), (0.11238, 0.88762, 0), (0.00401, -0.00401, 1)),
    "deuteranopia": ((0.29275, 0.70725, 0), (0.29275, 0.70725, 0), (-0.02234, 0.02234, 1)),
}


def linear(colour: str) -> tuple[float, ...]:
    found = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return tuple(one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in found)


def lightness(colour: str) -> float:
    """L* of CIELAB, 0 to 100."""
    red, green, blue = linear(colour)
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 116 * y ** (1 / 3) - 16


@pytest.mark.parametrize("view", VIEWS)
def test_no_two_colours_look_the_same(view: str) -> None:
    seen = [
        tuple(sum(a * b for a, b in zip(row, linear(colour), strict=True)) for row in VIEWS[view])
        for _, colour in COLOURS
    ]
    for one, other in combinations(seen, 2):
        assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 0.1


def test_neighbours_differ_in_lightness() -> None:
    assert all(
        abs(lightness(style(index).colour) - lightness(style(index + 1).colour)) > 5 for index in range(len(COLOURS))
    )


def test_eight_series_differ_in_grayscale_and_sixty_four_in_all() -> None:
    assert len({style(index).hatch for index in range(8)}) == len(HATCHES) == 8
    assert len({style(index).marker for index in range(8)}) == len(MARKERS) == 8
    assert len({(style(index).colour, style(index).hatch) for index in range(64)}) == 64
    for one, two in pairwise(range(64)):
        assert style(one).hatch != style(two).hatch or style(one).colour != style(two).colour


def test_a_purpose_has_the_same_style_whatever_stands_beside_it() -> None:
    assert set(PURPOSES) < set(FIXED[0])
    both, alone = styles(["gate", "expert"]), styles(["expert"])
    assert both["expert"] == alone["expert"]
    assert styles(["host", "a hook of somebody's"])["host"] == styles(["host"])["host"]
    found = styles(FIXED[0])
    assert len({(one.colour, one.hatch) for one in found.values()}) == len(FIXED[0])
    ours = styles(["CXL-NDP", "MoNDE"])
    assert list(ours.values()) == [style(0), style(1)]
