"""The colours of a page differ for every kind of colour vision, in the dark too; patterns are what charts name."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from moe_cosim.sim.display.styles import style
from moe_cosim.sim.report import palette
from tests.sim.display.test_styles import VIEWS, lightness, linear


@pytest.mark.parametrize("view", VIEWS)
def test_no_two_colours_look_the_same_in_the_dark(view: str) -> None:
    seen = [
        tuple(sum(a * b for a, b in zip(row, linear(colour), strict=True)) for row in VIEWS[view])
        for colour in palette.variables(dark=True).values()
    ]
    assert len(seen) == 8
    for one, other in combinations(seen, 2):
        assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 0.1


def test_colours_in_the_dark_are_seen_there() -> None:
    assert min(map(lightness, palette.variables(dark=True).values())) > 50
    assert min(map(lightness, palette.variables().values())) > 30


def test_every_fill_is_a_colour_or_a_pattern_of_the_page() -> None:
    defined = set(re.findall(r'id="([^"]+)"', palette.patterns()))
    known = {f"var({name})" for name in palette.variables()} | {f"url(#{name})" for name in defined}
    fills = [palette.fill(style(index)) for index in range(64)]
    assert set(fills) <= known
    assert len(set(fills)) == 64
    assert {palette.line(style(index)) for index in range(64)} <= known


def test_eight_marks_differ_in_shape() -> None:
    assert len({palette.shape(style(index)) for index in range(8)}) == 8
