"""Names that others chose, written for the language that they end up in."""

from __future__ import annotations

import re
import shlex
from typing import Any, Final
from unicodedata import category

_MARKS: Final = re.compile(r"[\\`*<>&|\[\]~]|(?<!\w)_|_(?!\w)")
"""What Markdown reads other than as itself, inside a line. Inside a word ``_`` means nothing."""


def printable(text: str) -> str:
    """For a terminal, a log or a comment: line ends, control characters and what turns the direction of writing are
    written out, so that `text` stays on its line."""
    return "".join(each if _keeps_its_line(each) else each.encode("unicode_escape").decode() for each in text)


def checked_line(text: str) -> str:
    """`text` as it is; raises `ValueError` where it does not stay on its line."""
    if not text.strip() or printable(text) != text:
        raise ValueError("one line of printable text")
    return text


def python(value: Any) -> str:
    """A value of text, numbers and collections as Python, in double quotes where that needs no escapes."""
    written = repr(value)
    return written if '"' in written else written.replace("'", '"')


def shell(text: str) -> str:
    """`text` as one word of the shell, on one line: no part of a path can pass for a line of the script."""
    quoted = shlex.quote(text)
    for character, escape in (("\n", "n"), ("\r", "r")):
        quoted = quoted.replace(character, f"'$'\\{escape}''")
    return quoted


def markdown(value: Any) -> Any:
    """Text as itself inside a line or a cell of Markdown; other values unchanged."""
    return _MARKS.sub(r"\\\g<0>", printable(value)) if isinstance(value, str) else value


def _keeps_its_line(character: str) -> bool:
    return character.isprintable() or category(character) == "Zs"
