"""The code blocks of README and docs, with what invisible comments say of them.

A comment before a block says what else is to be known of it (`Block.marks`):

    <!-- block: slow, minutes; needs torch -->

and a comment that begins with ``unseen`` and a language is a block that readers do not see: what the next one needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
LANGUAGES: Final = ("bash", "console", "python", "yaml", "toml", "csv", "text")
MARKS: Final = ("as", "needs", "output", "slow")
"""What a YAML block is; what must be there to run it; text that the block before prints; why it is slow."""
_MARKS: Final = re.compile(r"<!-- block: (.*?) -->\s*", re.DOTALL)
_UNSEEN: Final = re.compile(r"<!-- unseen (\w+)\n(.*?)-->\s*", re.DOTALL)
_NAME: Final = re.compile(r"`([\w./-]+\.\w+)`:?")


@dataclass(frozen=True)
class Block:
    """One block of a page."""

    page: Path
    line: int
    language: str
    """Empty where nothing says."""
    text: str
    name: str
    """The file that it is; empty: none."""
    marks: Mapping[str, str]

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def slow(self) -> bool:
        return "slow" in self.marks


def blocks(page: Path) -> Iterator[Block]:
    """Of the page, in order; indented ones, which have no language, too."""
    marks: dict[str, str] = {}
    name = ""
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        line = (token.map or [0])[0] + 1
        if token.type in ("fence", "code_block"):
            yield Block(page, line, token.info.strip(), token.content, name, marks)
        if token.type == "html_block" and (said := _MARKS.fullmatch(token.content)):
            marks = _marks(said[1])
        elif token.type == "html_block" and (unseen := _UNSEEN.fullmatch(token.content)):
            yield Block(page, line, unseen[1], unseen[2], "", marks)
            marks = {}
        elif token.type == "inline":
            named = _NAME.fullmatch(token.content)
            name, marks = named[1] if named else "", {}
        elif token.type in ("fence", "code_block"):
            name, marks = "", {}


def _marks(text: str) -> dict[str, str]:
    """``slow, minutes; needs torch`` as ``{"slow": "minutes", "needs": "torch"}``."""
    words = [re.split(r"[ ,]+", part.strip(), maxsplit=1) for part in text.split(";")]
    return {word: "".join(rest) for word, *rest in words}
