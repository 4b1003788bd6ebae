"""From runs with one assumption elsewhere to swings, by hand."""

from __future__ import annotations

import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.results.rows import AssumptionRow
from moe_cosim.sim.sensitivity import Sensitivity
from moe_cosim.sim.sensitivity.plan import NO_RANGE, ONE_VALUE, NotVaried, ends_of
from moe_cosim.sim.sensitivity.swings import VariedRun

RATE, JOULES = "decode_tokens_per_s", "decode_joules_per_token"


def _found(*runs: VariedRun) -> Sensitivity:
    """Of the run ``a``, which makes 10 tokens/s at 2 J, beside ``b`` with 5 tokens/s at 8 J."""
    as_they_are = [_run("a", "", None, None, 10.0, 2.0), _run("b", "", None, None, 5.0, 8.0)]
    return Sensitivity(["a", "b"], [RATE, JOULES], [*as_they_are, *runs], [], 0.0)


def _run(experiment: str, assumption: str, value: object, default: object, rate: float, joules: float) -> VariedRun:
    return VariedRun(experiment, assumption, value, default, {RATE: rate, JOULES: joules})


FOUND = _found(
    _run("a", "link", "32 GB/s", "48 GB/s", 8.0, 2.5),
    _run("a", "link", "64 GB/s", "48 GB/s", 11.0, 1.9),
    _run("a", "flow", "wide", "narrow", 10.0, 1.0),
    _run("a", "flow", "odd", "narrow", 14.0, 4.0),
    VariedRun("a", "lanes", 8, 4, {}, "too many lanes"),
    _run("a", "lanes", 2, 4, 9.5, 2.0),
    _run("b", "link", "32 GB/s", "48 GB/s", 2.0, 16.0),
    _run("b", "link", "64 GB/s", "48 GB/s", 6.0, 7.0),
    _run("b", "only b's", 1, 0, 4.0, 9.0),
)


def _spans(metric: str, against: str = "") -> list[tuple[object, ...]]:
    return [
        (each.assumption, each.lowest, each.lowest_at, each.highest, each.highest_at)
        for each in FOUND.swings(metric, against)
    ]


def test_the_largest_swing_is_first_and_the_value_in_use_may_be_an_end() -> None:
    assert _spans(RATE) == [
        ("flow", 10.0, "narrow", 14.0, "odd"),
        ("link", 8.0, "32 GB/s", 11.0, "64 GB/s"),
        ("lanes", 9.5, 2, 10.0, 4),
    ]
    assert [each.swing for each in FOUND.swings(RATE)] == [4.0, 3.0, 0.5]


def test_every_word_of_a_choice_counts() -> None:
    assert _spans(JOULES)[0] == ("flow", 1.0, "wide", 4.0, "odd")


def test_a_run_that_failed_is_said_and_the_other_end_stays() -> None:
    (lanes,) = [each for each in FOUND.swings(RATE) if each.assumption == "lanes"]
    assert lanes.failed_at == [8]
    assert [(run.assumption, run.value, run.error) for run in FOUND.failed] == [("lanes", 8, "too many lanes")]


def test_a_factor_has_the_assumption_in_both_runs_or_in_the_one_that_makes_it() -> None:
    assert _spans(RATE, "b") == [
        ("link", 11 / 6, "64 GB/s", 4.0, "32 GB/s"),
        ("flow", 2.0, "narrow", 14 / 5, "odd"),
        ("only b's", 2.0, 0, 10 / 4, 1),
        ("lanes", 9.5 / 5, 2, 2.0, 4),
    ]


def test_fewer_joules_are_better() -> None:
    link = next(each for each in FOUND.swings(JOULES, "b") if each.assumption == "link")
    assert (link.answer, link.lowest, link.highest) == (8 / 2, 7 / 1.9, 16 / 2.5)


def test_another_default_in_the_other_run_is_that_runs_own() -> None:
    found = _found(
        _run("a", "link", "low", "high", 8.0, 2.0),
        _run("b", "link", "high", "low", 10.0, 8.0),
    )
    (link,) = found.swings(RATE, "b")
    assert (link.lowest, link.lowest_at, link.highest, link.highest_at) == (1.0, "high", 2.0, "high")


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="against: found 'c'; allowed: one of b"):
        FOUND.swings(RATE, "c")
    with pytest.raises(InputError, match="metric: found 'mean_loss'; allowed: one of decode_joules_per_token, decode"):
        FOUND.swings("mean_loss")


def test_ends_are_all_of_a_range_but_the_value_in_use() -> None:
    rows = [
        AssumptionRow("between", 5, [1, 9], ""),
        AssumptionRow("at an end", "1 GB", ["1 GB", "2 GB"], ""),
        AssumptionRow("choice", "b", ["a", "b", "c"], ""),
        AssumptionRow("one word", "run", ["run"], ""),
        AssumptionRow("said", "far", [], ""),
    ]
    ends, left_out = ends_of(rows)
    assert [each.values for each in ends] == [(1, 9), ("2 GB",), ("a", "c")]
    assert left_out == [NotVaried("one word", "run", ONE_VALUE), NotVaried("said", "far", NO_RANGE)]
