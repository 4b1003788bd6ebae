"""Runs to report on, and the browser to look at reports with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from moe_cosim.sim.run import run
from tests.sim.report.browser import NAMES, REQUIRED, Browser, executable
from tests.sim.tiny import Tiny


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of one small experiment run on one and on two NDP devices, under two policies."""
    tiny = Tiny(tmp_path_factory.mktemp("reported"))
    tiny.write()
    tiny.write_model()
    one, two = tiny.folder / "one", tiny.folder / "two"
    run(tiny.path, {}, one)
    changes = {"name": "two devices", "machine.set.devices.ndp.count": 2, "policy.gpu_experts": 2}
    run(tiny.path, changes, two)
    return one, two


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Skips where there is none, and fails instead where it is required."""
    if executable() is None:
        reason = f"no browser on the PATH ({', '.join(NAMES)})"
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()
