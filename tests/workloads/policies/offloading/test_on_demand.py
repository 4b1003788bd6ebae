"""On-demand offloading moves every expert that is asked for, every time."""

from __future__ import annotations

import pytest

from moe_cosim.errors import InputError
from tests.workloads.hand_made import decided, fetched, one_layer, routing

PROMPT = [[(0, 1), (2, 3)], [(1, 2), (2, 0)]]
DECODE = [[(0, 1), (2, 3)], [(0, 1), (3, 2)]]


def test_every_active_expert_moves_once_per_layer_and_step() -> None:
    plan = decided(routing(PROMPT, DECODE, 4), "on-demand").plan
    assert fetched(plan) == [
        *[(0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 0), (0, 1, 2), (0, 1, 3)],
        *[(1, 0, 0), (1, 0, 1), (1, 1, 2), (1, 1, 3)],
        *[(2, 0, 0), (2, 0, 1), (2, 1, 2), (2, 1, 3)],
    ]
    assert not plan.moves["prefetch"].any()
    assert plan.runs["move"].tolist() == list(range(len(plan.moves)))


def test_a_full_staging_area_waits_for_the_run_whose_place_it_takes() -> None:
    plan = decided(one_layer([(0, 1, 2)], [], 3), "on-demand", {"staging_experts": 2}).plan
    assert plan.moves["after_run"].tolist() == [-1, -1, 0]
    assert plan.moves["target"][2] == plan.moves["target"][0]


def test_the_staging_area_is_as_large_as_asked_for() -> None:
    plan = decided(one_layer([(0, 1, 2)], [], 3), "on-demand", {"staging_experts": 1}).plan
    assert len(set(plan.moves["target"].tolist())) == 1
    assert plan.moves["after_run"].tolist() == [-1, 0, 1]


@pytest.mark.parametrize("staging", [0, 4, 1.5, True, "2"])
def test_an_impossible_staging_area_is_refused(staging: object) -> None:
    with pytest.raises(InputError, match=r"policy.staging_experts: found .* a whole number from 1 to 3"):
        decided(one_layer([(0, 1, 2)], [], 3), "on-demand", {"staging_experts": staging})


def test_an_unknown_option_is_refused_with_the_known_one() -> None:
    with pytest.raises(
        InputError, match=r"policy.staging: found an unknown option; allowed: one of home, staging_experts"
    ):
        decided(one_layer([(0, 1, 2)], [], 3), "on-demand", {"staging": 2})
