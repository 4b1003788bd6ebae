"""A report opened in a browser: it is drawn, asks for nothing, and can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from moe_cosim.sim.report.sections import experts
from moe_cosim.sim.report.write import report
from tests.sim.report.browser import Browser

LEAST_PX = 11.5
LEAST_CONTRAST = 4.5
"""Of text to its background (WCAG 2.2, 1.4.3)."""
TEXTS = """
[...document.querySelectorAll('body *')].filter(each => {
  const box = each.getBoundingClientRect();
  return box.width && box.height && [...each.childNodes].some(child => child.nodeType === 3 && child.data.trim());
})
"""
SMALLEST = f"Math.min(...{TEXTS}.map(each => parseFloat(getComputedStyle(each).fontSize)))"
BEYOND = """
[...document.querySelectorAll('body *')].filter(each => {
  const box = each.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !each.closest('.table');
}).map(each => each.outerHTML.slice(0, 200))
"""
COLOURS = f"""
{TEXTS}.map(each => {{
  const is_svg = each instanceof SVGElement;
  const ink = is_svg ? getComputedStyle(each).fill : getComputedStyle(each).color;
  let behind = each;
  while (behind && /rgba\\(0, 0, 0, 0\\)/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
  return [each.textContent.trim().slice(0, 60), ink, getComputedStyle(behind || document.body).backgroundColor];
}})
"""


@pytest.fixture(scope="session")
def page(runs: tuple[Path, Path]) -> Path:
    """Of two runs side by side; their maps are folded, as those of large models are."""
    path = runs[0].parent / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experts, "_ALL_OPEN", 0)
        report(runs, path)
    return path


@pytest.fixture(scope="session")
def opened(browser: Browser, page: Path) -> Browser:
    browser.open(page, 1280)
    return browser


def test_it_is_drawn_without_a_complaint(opened: Browser) -> None:
    drawn = "document.querySelectorAll('figure.chart[data-drawn] svg').length"
    folded = opened.evaluate("document.querySelectorAll('details figure.chart').length")
    assert folded > 2
    charts = opened.evaluate("document.querySelectorAll('figure.chart').length")
    assert opened.evaluate(drawn) == charts - folded > 20
    opened.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    opened.wait(f"{drawn} === {charts}")
    assert opened.seen.said == []


def test_nothing_is_asked_of_the_network(opened: Browser, page: Path) -> None:
    assert opened.seen.requested == [page.resolve().as_uri()]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 800])
def test_it_can_be_read(opened: Browser, width: int, dark: bool) -> None:
    opened.look(width, dark)
    opened.settle()
    assert opened.evaluate(BEYOND) == []
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.evaluate(SMALLEST) >= LEAST_PX
    texts = opened.evaluate(COLOURS)
    assert len(texts) > 100
    faint = [text for text, ink, paper in texts if contrast(ink, paper) < LEAST_CONTRAST]
    assert faint == []


def test_dark_is_darker(opened: Browser) -> None:
    papers = []
    for dark in (False, True):
        opened.look(1280, dark)
        papers.append(luminance(opened.evaluate("getComputedStyle(document.body).backgroundColor")))
    assert papers[0] > 0.8
    assert papers[1] < 0.05


def test_every_chart_says_what_it_shows(opened: Browser) -> None:
    said = opened.evaluate(
        "[...document.querySelectorAll('figure.chart .view')].map(e => e.getAttribute('aria-label'))"
    )
    assert all(len(each or "") > 20 for each in said), said


def test_it_prints_in_light_without_what_is_for_screens(opened: Browser) -> None:
    opened.look(800, dark=True, media="print")
    opened.settle()
    assert luminance(opened.evaluate("getComputedStyle(document.body).backgroundColor")) > 0.8
    assert opened.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert opened.printed().startswith(b"%PDF")


def luminance(colour: str) -> float:
    """Relative, 0 to 1 (WCAG 2.2), of what a browser calls ``rgb(1, 2, 3)``."""
    parts = colour.removeprefix("rgba(").removeprefix("rgb(").rstrip(")").split(", ")
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (float(each) / 255 for each in parts[:3])
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
