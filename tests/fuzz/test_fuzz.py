"""The short part: some changed inputs of every kind. `make fuzz` is the long one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.judge import judge
from tests.fuzz.kinds import KINDS, make


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_a_stranger_sends_can_hurt(kind: str, tmp_path: Path) -> None:
    @settings(max_examples=6, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(random=st.randoms(use_true_random=False))
    def holds(random: Random) -> None:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        verdict = judge(folder, make(kind, random, folder))
        assert not verdict.faults, f"{verdict.faults} of {folder}; {verdict.said}"

    holds()
