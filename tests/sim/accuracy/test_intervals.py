"""Intervals of means, and mutual information of domain and expert."""

from __future__ import annotations

import math

import numpy as np
import pytest

from moe_cosim.sim.accuracy.intervals import t_interval, t_quantile
from moe_cosim.sim.accuracy.specialisation import mutual_information, specialisation


def test_quantiles_of_t_are_the_tables() -> None:
    tabled = {1: 12.706, 5: 2.571, 10: 2.228, 11: 2.201, 20: 2.086, 59: 2.001, 120: 1.980}
    for freedom, value in tabled.items():
        assert t_quantile(freedom) == pytest.approx(value, abs=6e-4)


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    draw = np.random.default_rng(0)
    found = [t_interval(draw.normal(3, 2, size=8)) for _ in range(2000)]
    assert np.mean([one.low <= 3 <= one.high for one in found]) == pytest.approx(0.95, abs=0.015)


def test_a_single_value_says_nothing_of_the_mean() -> None:
    one = t_interval(np.array([2.0]))
    assert (one.mean, one.low, one.high, one.sign) == (2.0, -math.inf, math.inf, 0)
    assert t_interval(np.array([2.0, 2.1])).sign == 1


def test_information_is_that_of_the_definition() -> None:
    assert mutual_information(np.array([[1.0, 0], [0, 1]])) == pytest.approx(1)
    assert mutual_information(np.array([[2.0, 4], [1, 2]])) == pytest.approx(0)


def test_experts_that_know_their_domain_stand_above_the_shuffled_ones() -> None:
    draw = np.random.default_rng(0)
    domains = np.repeat(np.arange(3), 10)
    same = draw.multinomial(100, [0.25] * 4, size=(30, 1))
    own = np.stack([draw.multinomial(100, np.roll([0.7, 0.1, 0.1, 0.1], domain), size=1) for domain in domains])
    blind, knowing = specialisation(same, domains)[0], specialisation(own, domains)[0]
    assert knowing.information > 2 * knowing.shuffled_most
    assert blind.information == pytest.approx(blind.shuffled, rel=1)
