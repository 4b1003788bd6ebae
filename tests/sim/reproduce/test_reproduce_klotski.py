"""Klotski: its rank, its ablation's signs and order, and on what they hang."""

from __future__ import annotations

from functools import cache

import pytest

from moe_cosim.experiment import load_experiment
from moe_cosim.sim.reproduce import mean_step
from moe_cosim.sim.reproduce.papers import klotski
from moe_cosim.sim.reproduce.papers.klotski import (
    FOUR_BITS,
    HOT,
    SEVERAL,
    SIMPLE,
    WHOLE,
    Environment,
    KlotskiReproduction,
)
from moe_cosim.sim.reproduce.runs import RunKey
from moe_cosim.sim.run import run

CHOSEN = KlotskiReproduction(quick=True)
ENVIRONMENTS = (klotski._FIRST, klotski._SECOND)


@cache
def _rate(wanted: RunKey) -> float:
    return mean_step.tokens_per_s(wanted, run(wanted[0], dict(wanted[1])), 32)


@pytest.mark.parametrize("quick", [False, True])
def test_every_run_is_an_experiment(quick: bool) -> None:
    chosen = KlotskiReproduction(quick)
    for name, settings in [*chosen.runs(), *(one for each in chosen.variants() for one in chosen.variant_runs(each))]:
        load_experiment(name, dict(settings))


@pytest.mark.parametrize("size", [4, 64])
@pytest.mark.parametrize("at", ENVIRONMENTS)
def test_systems_rank_as_published(at: Environment, size: int) -> None:
    """Section 9.2: Klotski is ahead everywhere, MoE-Infinity is the slowest of the four."""
    ours, flexgen, fiddler, infinity = (_rate(CHOSEN._run(who, at, size)) for who in CHOSEN._systems)
    assert ours > max(flexgen, fiddler)
    assert min(flexgen, fiddler) > infinity


@pytest.mark.parametrize("at", ENVIRONMENTS)
def test_the_ablation_has_its_signs_and_its_largest_step(at: Environment) -> None:
    """Table 3: every rung gains, several batches by far the most."""
    simple, several, hot, whole, four_bits = (
        _rate(CHOSEN._rung(rung, at)) for rung in (SIMPLE, SEVERAL, HOT, WHOLE, FOUR_BITS)
    )
    assert simple < several < hot < whole < four_bits
    assert several / simple > 2 * four_bits / several


def test_the_gain_over_flexgen_is_that_its_layers_are_apart() -> None:
    """With a layer's experts loaded from when the layer before begins, FlexGen hides as much as Klotski's order."""
    apart, together = (CHOSEN._rung(SEVERAL, klotski._FIRST, **how) for how in ({}, {"policy.layers_apart": False}))
    ours = _rate(CHOSEN._rung(WHOLE, klotski._FIRST))
    assert ours / _rate(apart) > 1.15
    assert ours / _rate(together) == pytest.approx(1, abs=0.03)


def test_more_batches_gain_ever_less() -> None:
    """Figure 14: tokens/s by n rise, and flatten."""
    few, some, many = (_rate(CHOSEN._run("klotski", klotski._FIRST, 64, batches)) for batches in (3, 9, 15))
    assert few < some < many
    assert many - some < some - few
