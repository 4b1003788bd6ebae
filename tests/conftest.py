from __future__ import annotations

from pathlib import Path

import pytest

from tests.sim.tiny import Tiny


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    """An experiment on a model of two layers, in a folder of its own."""
    made = Tiny(tmp_path)
    made.write()
    made.write_model()
    return made
