"""Answers are kept by what they follow from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from moe_cosim.hw_models.dram_timing import ask as module
from moe_cosim.hw_models.dram_timing.ask import ask
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.pattern import AccessPattern
from moe_cosim.hw_models.dram_timing.standard import read_standard

STANDARD = read_standard("ddr4-3200")
PATTERN = AccessPattern(total_bytes=1 << 14)


def _refuse(*_: object) -> None:
    raise AssertionError("simulated")


def test_the_same_question_is_simulated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ask(STANDARD, Controller(), PATTERN, tmp_path)
    monkeypatch.setattr(module, "simulate_pattern", _refuse)
    assert ask(replace(STANDARD, title="another name"), Controller(where="elsewhere"), PATTERN, tmp_path) == first


@pytest.mark.parametrize("changed", ["standard", "controller", "pattern"])
def test_another_question_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    ask(STANDARD, Controller(), PATTERN, tmp_path)
    monkeypatch.setattr(module, "simulate_pattern", _refuse)
    with pytest.raises(AssertionError, match="simulated"):
        ask(
            replace(STANDARD, rows=STANDARD.rows // 2) if changed == "standard" else STANDARD,
            Controller(read_queue=16) if changed == "controller" else Controller(),
            replace(PATTERN, seed=2) if changed == "pattern" else PATTERN,
            tmp_path,
        )


def test_answers_lie_beside_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "of this user" / "dram"
    patterns = [PATTERN, replace(PATTERN, seed=2)]
    first = [ask(STANDARD, Controller(), each, folder) for each in patterns]
    monkeypatch.setattr(module, "simulate_pattern", _refuse)
    assert [ask(STANDARD, Controller(), each, folder) for each in patterns] == first


def test_a_cache_that_is_broken_costs_time_alone(tmp_path: Path) -> None:
    first = ask(STANDARD, Controller(), PATTERN, tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_text('{"bytes_per_s": 1')
    assert ask(STANDARD, Controller(), PATTERN, tmp_path) == first
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    assert ask(STANDARD, Controller(), PATTERN, in_the_way) == first
