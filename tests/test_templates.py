"""Every value that a template prints is escaped for the language it ends up in, or is no name of a stranger's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from moe_cosim.sim.batch.base import schedulers, site_class
from moe_cosim.sim.batch.script import _templates
from moe_cosim.sim.batch.site import site_of
from moe_cosim.sim.engines.sst.emit import environment

FOLDER = Path(__file__).parents[1] / "templates"
FILTERS = {
    ".html.j2": {"*"},  # autoescape: every value
    ".md.j2": {"markdown", "percent", "joules", "watts"},  # the latter three write numbers
    ".py.j2": {"python", "printable"},
    ".sh.j2": {"shell"},
    ".yaml.j2": {"printable"},
}
OURS = {
    "sh": {"version", "title", "log", "arguments", "checked"},  # words of ours
    "site": {"name", "line", "option"},  # of the site file: variables' names, shell and options, each on one line
    "md": {"version", "events", "pieces", "threads", "devices", "device", "result.seed", "result.events"},
    "py": {"statistic_level", "part.variable", "part.parent", "part.slot_number", "each.a", "each.b"},
    "yaml": {"standard", "level", "count", "rate", "timing", "clocks", "drain_from", "drain_to", "mapper"},
}
"""Numbers, identifiers that were made or checked, and what the user may say in the target's own language."""
TEMPLATES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.j2"))


def unescaped(text: str, ending: str) -> list[str]:
    filters, ours = FILTERS[ending], set().union(*OURS.values())
    found = []
    for expression in re.findall(r"\{\{(.*?)\}\}", text, re.DOTALL):
        value, *applied = (part.strip() for part in expression.split("|"))
        last = applied[-1].partition("(")[0] if applied else ""
        quoted = re.fullmatch(r'"[^"]*"( \* .*)?', value) is not None  # a format of numbers, a rule of dashes
        if last == "safe" or not ("*" in filters or last in filters or value in ours or quoted):
            found.append(expression.strip())
    return found


@pytest.mark.parametrize("name", TEMPLATES)
def test_names_are_escaped(name: str) -> None:
    ending = next(each for each in FILTERS if name.endswith(each))
    assert unescaped((FOLDER / name).read_text(encoding="utf-8"), ending) == []


@pytest.mark.parametrize(
    ("text", "ending", "wrong"),
    [
        ("{{ result.name }}", ".md.j2", ["result.name"]),
        ("{{ result.name | markdown }}", ".md.j2", []),
        ("{{ result.name | safe }}", ".html.j2", ["result.name | safe"]),
        ("{{ folder }} {{ folder | shell }}", ".sh.j2", ["folder"]),
        ("{{ note | markdown }}", ".py.j2", ["note | markdown"]),
    ],
)
def test_what_is_not_escaped_is_seen(text: str, ending: str, wrong: list[str]) -> None:
    assert unescaped(text, ending) == wrong


def test_only_html_escapes_by_itself() -> None:
    """The others have filters of their own: HTML's would write entities into shell, Python and Markdown."""
    for name in schedulers.names():
        scheduler = schedulers.get(name)(site_of({"scheduler": name}, "test", site_class))
        assert not _templates(scheduler).autoescape
    assert not environment().autoescape
