"""A package from outside: files and metadata on the path of a fresh Python, as an installation leaves them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


def write_package(folder: Path, text: str, entry_points: Mapping[str, str]) -> None:
    """The module ``outside`` with that text; `entry_points` names the group of each name it registers."""
    (folder / "outside.py").write_text(text)
    info = folder / "outside-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    lines = [f"[{group}]\n{name} = outside\n" for name, group in entry_points.items()]
    (info / "entry_points.txt").write_text("".join(lines))


def python(folder: Path, code: str) -> str:
    """What `code` prints in a fresh Python that finds the package in `folder`."""
    path = os.pathsep.join([str(folder), str(ROOT)])
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, cwd=folder, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    return found.stdout
