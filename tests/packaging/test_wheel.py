"""What is in a wheel and an sdist, and what installing and uninstalling leave in site-packages."""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.installed import BORROWED, REPOSITORY, Installation, build_sdist, build_wheel


def package_files() -> dict[str, Path]:
    """Every file of the package as the repository has it, by its name in a wheel."""
    return {
        os.fspath(path.relative_to(REPOSITORY)): path
        for folder, _, names in os.walk(REPOSITORY / "moe_cosim", followlinks=True)
        for path in (Path(folder, name) for name in names)
        if path.parent.name != "__pycache__"
    }


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_wheel_is_the_package_and_nothing_else(wheel: Path) -> None:
    found = contents(wheel)
    ours = {name for name in found if name.split("/")[0] == "moe_cosim"}
    assert {name.split("/")[0].partition("-")[0] for name in found} == {"moe_cosim"}
    assert all(".dist-info/" in name for name in found.keys() - ours)
    expected = package_files()
    assert ours == expected.keys()
    assert all(found[name] == path.read_bytes() for name, path in expected.items())
    kinds = {Path(name).suffix for name in ours}
    assert kinds >= {".py", ".typed", ".yaml", ".json", ".npz", ".j2", ".cc", ".h"}


def test_a_wheel_says_under_which_licence_it_comes(wheel: Path) -> None:
    found = contents(wheel)
    (metadata,) = (text.decode() for name, text in found.items() if name.endswith(".dist-info/METADATA"))
    (licence,) = (text for name, text in found.items() if name.endswith("/licenses/LICENSE"))
    assert "License-Expression: BSD-3-Clause" in metadata.splitlines()
    assert licence == (REPOSITORY / "LICENSE").read_bytes()


def test_an_sdist_holds_files_only_and_builds_the_same_wheel(source: Path, wheel: Path, tmp_path: Path) -> None:
    sdist = build_sdist(source, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert all(member.isfile() for member in members)
    at_the_top = {member.name.split("/")[1] for member in members}
    assert at_the_top == {"moe_cosim", "pyproject.toml", "README.md", "LICENSE", "PKG-INFO", ".gitignore"}
    assert contents(build_wheel(sdist, tmp_path / "again")) == contents(wheel)


@pytest.mark.slow
def test_uninstalling_leaves_nothing(wheel: Path, tmp_path: Path) -> None:
    installation = Installation.of(wheel, tmp_path / "installed")
    installed = {path.name for path in installation.site_packages.iterdir()} - {BORROWED}
    assert {name.partition("-")[0] for name in installed} == {"moe_cosim"}
    used = ("routing", "stats", "mixtral-8x7b", "--sequences", 2, "--tokens", 4)  # it compiles something
    installation.run(installation.command, *used, cwd=tmp_path)
    installation.pip("uninstall", "--yes", "moe-cosim")
    assert [path.name for path in installation.site_packages.iterdir()] == [BORROWED]
    assert not installation.command.exists()
