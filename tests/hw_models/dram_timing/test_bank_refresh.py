"""Refresh of single banks: every bank once per tREFI, so many together as the time between refreshes asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from moe_cosim.hw_models.dram_timing import serve
from moe_cosim.hw_models.dram_timing.channel import new_state, rules_of
from moe_cosim.hw_models.dram_timing.commands import REFB
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.limits import limits_of
from moe_cosim.hw_models.dram_timing.standard import read_standard


def _plain(function: Any) -> Any:
    """As Python: nothing to compile for a few rounds."""
    return getattr(function, "py_func", function)


@pytest.mark.parametrize("name", ["hbm2", "hbm3", "lpddr5"])
def test_every_bank_is_due_once_in_a_round(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "push_urgent", _plain(serve.push_urgent))
    due = _plain(serve._say_what_is_due)
    standard, controller = read_standard(name), Controller(refresh="per-bank")
    limits = limits_of(standard)
    rules, state = rules_of(limits, standard, controller), new_state(limits, standard, controller, 1)
    banks, together = standard.banks, rules.refresh_together
    assert banks // together * rules.refresh_every == pytest.approx(limits.refresh, rel=0.01)  # whole clocks each
    counters, at, following = state.counters[0], rules.refresh_every, 0
    rounds = []
    for _ in range(2):
        said: list[int] = []
        for _ in range(banks // together):
            counters.now, counters.urgent = at, 0
            at, following = due(rules, state, at, following)
            assert counters.urgent == together
            assert (state.urgent[:together, 0] == REFB).all()
            said += state.urgent[:together, 1].tolist()
        rounds.append(said)
    assert sorted(rounds[0]) == np.arange(banks).tolist()
    assert rounds[1] == rounds[0]
