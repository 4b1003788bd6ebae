"""Named unknowns: resolved once, checked against their range, listed where used."""

from __future__ import annotations

import pytest

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError

LATENCY = Assumption("wire-latency", "50 ns", ("0 ns", "1 us"), "nobody measured it", "ps")
SHARE = Assumption("share", 0.5, (0.0, 1.0), "nobody says")
ROUNDING = Assumption("rounding", "ceil", ("ceil", "floor"), "two readings", "choice")


def test_defaults_hold_where_nothing_is_set() -> None:
    assumptions = Assumptions()
    assert assumptions.number(LATENCY) == 50e3
    assert assumptions.number(SHARE) == 0.5
    assert assumptions.choice(ROUNDING) == "ceil"
    assert [one.name for one in assumptions.used()] == ["wire-latency", "share", "rounding"]


def test_settings_replace_them_and_are_listed_as_set() -> None:
    assumptions = Assumptions({"wire-latency": "1 us", "rounding": "floor"})
    assert assumptions.number(LATENCY) == 1e6
    assert assumptions.choice(ROUNDING) == "floor"
    assert assumptions.used()[0].as_dict() == {
        "name": "wire-latency",
        "value": "1 us",
        "range": ["0 ns", "1 us"],
        "source": "nobody measured it",
    }


def test_only_what_is_used_is_listed_and_once() -> None:
    assumptions = Assumptions()
    for _ in range(3):
        assumptions.number(SHARE)
    assert [one.name for one in assumptions.used()] == ["share"]


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        (LATENCY, "2 us", "e: assumptions.wire-latency: found '2 us'; allowed: between 0 ns and 1 us"),
        (
            LATENCY,
            50,
            "e: assumptions.wire-latency: found 50; allowed: a time such as '150 ns' (with its unit: '50 ns', say)",
        ),
        (LATENCY, "50 GB", "e: assumptions.wire-latency: found '50 GB'; allowed: a time such as '150 ns'"),
        (SHARE, 1.01, "e: assumptions.share: found 1.01; allowed: between 0.0 and 1.0"),
        (SHARE, "0.5", "e: assumptions.share: found '0.5'; allowed: a plain finite number"),
        (SHARE, float("nan"), "e: assumptions.share: found nan; allowed: a plain finite number"),
        (SHARE, True, "e: assumptions.share: found True; allowed: a plain finite number"),
        (ROUNDING, "round", "e: assumptions.rounding: found 'round'; allowed: one of ceil, floor"),
    ],
)
def test_a_value_outside_the_range_is_refused(declared: Assumption, value: object, message: str) -> None:
    with pytest.raises(InputError) as error:
        Assumptions({declared.name: value}, "e").resolve(declared)
    assert str(error.value) == message


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_ends_of_the_range_are_inside(share: float) -> None:
    assert Assumptions({"share": share}).number(SHARE) == share


def test_a_setting_nobody_declares_is_refused_with_the_nearest() -> None:
    assumptions = Assumptions({"wire-latncy": "10 ns"}, "e")
    assumptions.number(LATENCY)
    with pytest.raises(InputError, match=r"e: assumptions.wire-latncy: .*did you mean 'wire-latency'"):
        assumptions.check_all_settings_used()
    used = Assumptions({"wire-latency": "10 ns"})
    used.number(LATENCY)
    used.check_all_settings_used()


def test_what_is_asked_for_from_now_on_is_heard_with_what_decides_it() -> None:
    assumptions = Assumptions({"share": 0.25})
    assumptions.number(LATENCY)
    heard = assumptions.listen()
    assumptions.number(LATENCY)
    assumptions.number(SHARE)
    assumptions.number(SHARE)
    assert heard == {"wire-latency": "in use: '50 ns'", "share": "set: 0.25"}
    assert assumptions.basis("share") == "in use: 0.25"
    assert assumptions.basis("another") == "default"


def test_a_bad_default_is_a_mistake_too() -> None:
    with pytest.raises(InputError, match=r"between 0\.0 and 1\.0"):
        Assumptions().number(Assumption("x", 3.0, (0.0, 1.0), "a typing error"))
