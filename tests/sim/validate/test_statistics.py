"""Statistics of errors against numbers worked out by hand."""

from __future__ import annotations

import pytest

from moe_cosim.sim.validate.statistics import Statistics


def test_five_errors() -> None:
    found = Statistics.of([0.1, -0.2, 0.3, -0.4, 0.0])
    assert found.n == 5
    assert found.mean_abs == pytest.approx(0.2)
    assert found.median_abs == pytest.approx(0.2)
    assert found.p95_abs == pytest.approx(0.38)  # 0.8 of the way from the fourth of five, 0.3, to the last, 0.4
    assert found.worst == pytest.approx(-0.4)
    assert found.bias == pytest.approx(-0.04)


def test_an_even_number_has_its_median_between_two() -> None:
    found = Statistics.of([1.0, -3.0])
    assert (found.median_abs, found.mean_abs, found.bias) == (2.0, 2.0, -1.0)
    assert found.p95_abs == pytest.approx(2.9)


def test_one_error_is_all_of_them() -> None:
    assert Statistics.of([-0.25]).as_dict() == {
        "n": 1,
        "mean_abs": 0.25,
        "median_abs": 0.25,
        "p95_abs": 0.25,
        "worst": -0.25,
        "bias": -0.25,
    }


def test_of_nothing_only_the_number_is_known() -> None:
    assert Statistics.of([]) == Statistics(0, None, None, None, None, None)
