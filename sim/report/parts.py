"""What a report is made of: sections of panels of charts, tables, drawings and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite specification of one view, drawn as wide as there is room."""

    title: str
    spec: Mapping[str, Any]
    says: str
    """What it shows, for those who do not see it."""
    note: str = ""
    folded: bool = False
    """Whether it is drawn when somebody opens it."""


@dataclass(frozen=True)
class TextTable:
    """Cells are texts. A heading that begins with ``#`` is of numbers."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """Names, and whether of numbers."""
        return [(name.removeprefix("#"), name.startswith("#")) for name in self.headings]


@dataclass(frozen=True)
class Drawing:
    """An SVG of our own."""

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Headline:
    """One number that is seen first."""

    name: str
    value: str
    more: str = ""


@dataclass(frozen=True)
class Card:
    """The first lines of one run."""

    title: str
    lines: Sequence[tuple[str, str]]
    """What each is about, and what it says."""
    figures: Sequence[Headline]


@dataclass(frozen=True)
class Sentence:
    """A sentence."""

    text: str
    is_warning: bool = False


Part = Chart | TextTable | Drawing | Card | Sentence


@dataclass(frozen=True)
class Panel:
    """What stands together: of one run, or of all."""

    heading: str
    parts: Sequence[Part]
    is_wide: bool = False
    """Whether it has a row of its own."""


@dataclass(frozen=True)
class Section:
    """Panels stand side by side where the window is wide enough."""

    key: str
    title: str
    reads: str
    """How to read it."""
    panels: Sequence[Panel] = field(default_factory=tuple)
