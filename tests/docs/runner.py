"""Runs the blocks of a page, in order, in a folder of the page's own."""

from __future__ import annotations

import io
import re
import tomllib
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from tests.docs import described
from tests.docs.page import Block
from tests.docs.shell import Shell, commands


class Page:
    """What the blocks of one page share: a folder, Python's variables, packages that they install."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shell = Shell(folder)
        self._variables: dict[str, Any] = {"__name__": "__main__"}
        self._printed = ""

    def run(self, block: Block) -> None:
        """`AssertionError` where it does not do what the page says."""
        if block.name:
            (self._folder / block.name).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / block.name).write_text(block.text, encoding="utf-8")
        match block.language:
            case "bash":
                self._printed = "".join(map(self._shell.run, commands(block.text)))
            case "console":
                self._session(block.text)
            case "python" if not block.name:
                self._python(block)
            case "python":
                compile(block.text, block.name, "exec")
            case "yaml":
                described.check(block.text, block.marks["as"], self._folder)
            case "toml":
                tomllib.loads(block.text)
            case "text" if "output" in block.marks:
                _compare(block.text, self._printed)

    def _session(self, text: str) -> None:
        """Commands behind ``$``, each with what it prints."""
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command = next(commands(part.partition("\n")[0]))
            _compare(part.partition("\n")[2], self._shell.run(command))

    def _python(self, block: Block) -> None:
        with redirect_stdout(io.StringIO()) as printed:
            exec(compile(block.text, block.where, "exec"), self._variables)
        self._printed = printed.getvalue()


def _compare(said: str, printed: str) -> None:
    """``…`` stands for anything; blanks at ends of lines do not count."""
    pattern = ".*".join(map(re.escape, _lines(said).split("…")))
    assert re.fullmatch(pattern, _lines(printed), re.DOTALL), f"said:\n{said}\nprinted:\n{printed}"


def _lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
