"""Packages of somebody else, as an installer leaves them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess
from textwrap import dedent

ROOT = Path(__file__).parents[1]


def install(
    site: Path, package: str, files: Mapping[str, str], plugins: Mapping[str, Mapping[str, str]], version: str = "1.0"
) -> None:
    """Write the files (path to text) and metadata of a package into `site`, a folder of the import path.

    `plugins` has, by group without ``moe_cosim.``, the entry points: name to module.
    """
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(dedent(text), encoding="utf-8")
    metadata = site / f"{package.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    groups = [
        "\n".join([f"[moe_cosim.{group}]", *(f"{name} = {module}" for name, module in points.items())])
        for group, points in plugins.items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(groups) + "\n")


def fresh_python(site: Path, *arguments: object, folder: Path | None = None) -> CompletedProcess[str]:
    """A Python of its own with what is installed in `site`; it runs in `folder` (default: `site`)."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])},
        cwd=folder or site,
        capture_output=True,
        text=True,
        check=False,
    )


def python(site: Path, code: str) -> str:
    """What `code` prints in a Python of its own with what is installed in `site`."""
    done = fresh_python(site, "-c", code)
    assert done.returncode == 0, done.stderr
    return done.stdout
