"""What a user has after ``pip install``: a wheel, and a virtual environment with it in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
BORROWED = "zz-borrowed.pth"
_NOT_CHECKED_IN = (".git", ".venv", "build", "dist", "runs", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis")


def copy_of_the_repository(folder: Path) -> Path:
    """As checked out, links and all: building in the repository itself would leave things behind."""
    return Path(shutil.copytree(REPOSITORY, folder, symlinks=True, ignore=shutil.ignore_patterns(*_NOT_CHECKED_IN)))


def build_wheel(source: Path, folder: Path) -> Path:
    """`source`: a source tree or an sdist."""
    _pip(sys.executable, "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def build_sdist(source: Path, folder: Path) -> Path:
    code = "import sys; from hatchling.build import build_sdist; build_sdist(sys.argv[1])"
    _checked([sys.executable, "-c", code, str(folder)], cwd=source)
    (sdist,) = folder.glob("*.tar.gz")
    return sdist


@dataclass(frozen=True)
class Installation:
    """A virtual environment of its own that borrows the dependencies of the interpreter that runs the tests."""

    folder: Path

    @classmethod
    def of(cls, wheel: Path, folder: Path) -> Installation:
        venv.create(folder, symlinks=True)
        made = cls(folder)
        made.home.mkdir()
        made.pip("install", "--no-deps", "--no-index", "--no-compile", wheel)
        # plain lines: no .pth file in these folders is read, that of an editable installation of ours neither
        lent = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
        (made.site_packages / BORROWED).write_text("\n".join(lent) + "\n")
        return made

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def home(self) -> Path:
        """Of its users, where they say nothing else: compiled code is kept there."""
        return self.folder / "home"

    @property
    def command(self) -> Path:
        return self.folder / "bin" / "moe-cosim"

    @property
    def site_packages(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def pip(self, *arguments: object) -> None:
        _pip(self.python, *arguments)

    def run(self, *argv: object, cwd: Path, **variables: str) -> str:
        """What a command that must succeed prints; `variables` are added to its environment."""
        return _checked([str(each) for each in argv], cwd, {"HOME": str(self.home)} | variables)


def _pip(python: str | Path, *arguments: object) -> None:
    quiet = ("--quiet", "--disable-pip-version-check")
    words = [str(each) for each in (sys.executable, "-m", "pip", "--python", python, *quiet, *arguments)]
    _checked(words, cwd=Path("/"))


def _checked(argv: list[str], cwd: Path, variables: Mapping[str, str] | None = None) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NUMBA", "XDG"))}
    environ = clean | dict(variables or {})
    done = subprocess.run(argv, cwd=cwd, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
