from __future__ import annotations

from pathlib import Path

import pytest

from moe_cosim.compiling import compiling
from tests.sim.tiny import Tiny


@pytest.fixture(autouse=True, scope="session")
def compiling_is_not_announced() -> None:
    """Which test is the first to compile something is chance; what it prints is not."""
    compiling.said = True


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    """An experiment on a model of two layers, in a folder of its own."""
    made = Tiny(tmp_path)
    made.write()
    made.write_model()
    return made
