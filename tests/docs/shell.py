"""Lines of the shell as documentation has them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.docs.page import ROOT
from tests.outside import install
from tests.sim.tiny import cli


def commands(text: str) -> Iterator[str]:
    """Each command, with the lines that it goes on in."""
    held = ""
    for line in text.splitlines():
        held += line
        if held.endswith("\\"):
            held = held[:-1]
        elif _is_open(held):
            held += "\n"
        else:
            if shlex.split(held, comments=True):
                yield held
            held = ""
    assert not held, f"a command without an end: {held}"


def _is_open(text: str) -> bool:
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return True
    return False


class Shell:
    """Runs commands in a folder.

    `moe-cosim` runs in this process, or in one of its own once a package was installed on top; so does Python. Of
    `make` the commands are printed, not run; of other installations pip says what it would install.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._site: Path | None = None

    def run(self, command: str) -> str:
        """What it prints on standard output. `AssertionError` where it ends with another status than 0."""
        words = shlex.split(command, comments=True)
        if words[0] == "moe-cosim" and words[-2] == ">":
            (self._folder / words[-1]).write_text(self._run(command, words[:-2]), encoding="utf-8")
            return ""
        return self._run(command, words)

    def _run(self, command: str, words: list[str]) -> str:
        match words:
            case ["moe-cosim", *arguments] if self._site is None:
                done = cli(*arguments)
                assert done.exit_code == 0, f"{command}\n{done.stderr}{done.exception!r}"
                return done.stdout
            case ["moe-cosim", *arguments]:
                return self._python(command, "-m", "moe_cosim", *arguments)
            case ["python", script, *arguments] if (ROOT / script).is_file():
                return self._python(command, str(ROOT / script), *arguments)
            case ["python", *arguments]:
                return self._python(command, *arguments)
            case ["pytest", *arguments]:
                return self._python(command, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", *arguments)
            case ["make", *targets]:
                return self._process(command, ["make", "--dry-run", "--always-make", f"--directory={ROOT}", *targets])
            case ["pip", "install", *_] if (self._folder / "pyproject.toml").exists():
                self._install()
                return ""
            case ["pip", "install", what]:
                ours = re.sub(r"^(\.|moe-cosim)", str(ROOT), what)
                return self._python(command, "-m", "pip", "install", "--dry-run", "--quiet", ours)
        return self._process(command, ["bash", "-ec", command])

    def _install(self) -> None:
        """The package in this folder, as pip would, but without asking a registry for what builds it.

        Setuptools, left to itself, refuses a folder of several modules, tests among them; so what is installed is to
        be named.
        """
        self._site = self._folder / ".site"
        whole = tomllib.loads((self._folder / "pyproject.toml").read_text(encoding="utf-8"))
        project, named = whole["project"], whole.get("tool", {}).get("setuptools", {}).get("py-modules")
        found = sorted(path.stem for path in self._folder.glob("*.py"))
        assert named is not None or len(found) == 1, f"pyproject.toml: setuptools would find several modules: {found}"
        modules = {
            f"{name}.py": (self._folder / f"{name}.py").read_text(encoding="utf-8")
            for name in (found if named is None else named)
        }
        points = {group.removeprefix("moe_cosim."): found for group, found in project["entry-points"].items()}
        install(self._site, project["name"], modules, points, project["version"])

    def _python(self, command: str, *arguments: str) -> str:
        return self._process(command, [sys.executable, *arguments])

    def _process(self, command: str, words: list[str]) -> str:
        paths = [str(path) for path in (self._site, ROOT) if path is not None]
        done = subprocess.run(
            words,
            cwd=self._folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout


def missing(needs: str) -> str:
    """The first of these words that is neither a program nor a module of Python here; empty: none."""
    return next((need for need in needs.split() if shutil.which(need) is None and find_spec(need) is None), "")
