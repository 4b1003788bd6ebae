"""One wheel and one installation, made once, whatever number of processes run the tests."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.installed import Installation, build_wheel, copy_of_the_repository
from tests.sim.tiny import Tiny


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Common to all processes of this run of the tests."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "packaging"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def source(shared_folder: Path) -> Path:
    """A tree in which an older version was built before, when its folders were packages of their own."""

    def make() -> None:
        copy_of_the_repository(shared_folder / "source")
        left_over = shared_folder / "source" / "build" / "lib" / "workloads" / "old.py"
        left_over.parent.mkdir(parents=True)
        left_over.touch()

    _once(shared_folder / "source", make)
    return shared_folder / "source"


@pytest.fixture(scope="session")
def wheel(shared_folder: Path, source: Path) -> Path:
    _once(shared_folder / "wheel", lambda: build_wheel(source, shared_folder / "wheel"))
    (found,) = (shared_folder / "wheel").glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installation(shared_folder: Path, wheel: Path) -> Installation:
    """Of the wheel, and not to be written. It has run before: compiling its kernels takes ten seconds."""
    place = shared_folder / "installed"

    def make() -> None:
        made = Installation.of(wheel, place)
        tiny = Tiny(made.home)
        tiny.write_model()
        made.run(made.command, "run", tiny.write(), cwd=made.home)
        for folder in [made.site_packages, *filter(Path.is_dir, made.site_packages.rglob("*"))]:
            folder.chmod(0o555)

    _once(place, make)
    return Installation(place)


def _once(made: Path, make: Callable[[], object]) -> None:
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.with_suffix(".done").exists():
            make()
            made.with_suffix(".done").touch()
