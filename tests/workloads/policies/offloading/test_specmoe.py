"""SpecMoE: who is pinned to draft with, and that a verification loads each of the others once."""

from __future__ import annotations

import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.run import run
from moe_cosim.workloads.plan import Plan
from tests.workloads.hand_made import decided, one_layer

ROUTED = one_layer([(0,), (0,), (1,)], [(1,), (1,), (0,), (0,), (2,), (0,)], 4)
"""The prompt asks for expert 0 twice and for 1 once."""


def loaded(plan: Plan) -> list[tuple[int, int]]:
    """(step, expert) of every move, in order."""
    return [(int(move["step"]), int(move["expert"])) for move in plan.moves]


@pytest.mark.parametrize(
    ("follow", "steps"),
    [
        ("temporal", [1, 3, 5, 6]),  # 1 comes and stays; so do 0 and 2
        ("global", [1, 2, 5]),  # 0 stays, what else is asked for passes
    ],
)
def test_what_is_pinned_follows_the_verifications_or_the_prompt(follow: str, steps: list[int]) -> None:
    plan = decided(ROUTED, "specmoe", {"draft_experts": 1, "follow": follow}).plan
    assert [step for step, _ in loaded(plan) if step] == steps
    assert sorted(expert for step, expert in loaded(plan) if not step) == [0, 1]


def test_the_experts_with_the_most_tokens_of_a_verification_stay() -> None:
    """The prompt asks for 0 twice, for 3 three times and for the others once: the busiest two stay, which the next
    steps find."""
    prompt = [(expert,) for expert in (0, 0, 3, 3, 3, 1, 2)]
    plan = decided(one_layer(prompt, [(0,), (3,), (1,)], 4), "specmoe", {"draft_experts": 2}).plan
    assert [row for row in loaded(plan) if row[0]] == [(3, 1)]
    slots = {int(move["target"]) for move in plan.moves if move["expert"] in (0, 3)}
    assert len(slots) == 2
    assert int(plan.moves[-1]["target"]) in slots  # 1 takes the place of who was not asked for the longest


def test_pinned_experts_that_are_drawn_are_the_same_in_every_step() -> None:
    chosen = tuple(range(8))
    plan = decided(one_layer([chosen], [chosen] * 3, 8), "specmoe", {"draft_experts": 3, "follow": "random"}).plan
    assert [sum(step == each for step, _ in loaded(plan)) for each in range(4)] == [8, 5, 5, 5]


def test_room_for_pinned_experts_is_needed() -> None:
    small = {"devices.gpu.memories.hbm.capacity": "100 MB"}
    with pytest.raises(InputError, match=r"draft experts in gpu.hbm: found room for .* experts; allowed: at least 33"):
        decided(one_layer([(0,)], [], 32), "specmoe", {"draft_experts": 32}, machine_set=small)


def test_the_ablation_of_who_is_pinned_has_its_order() -> None:
    """HotTemporal, HotGlobal, random: 1.143, 1.084 and 1 times the throughput."""
    short = {"workload.batch": 1, "workload.prompt_tokens": 16, "workload.output_tokens": 24}
    rates = [
        run("specmoe-mixtral-8x7b", {**short, "policy.follow": each}).decode_tokens_per_s or 0.0
        for each in ("random", "global", "temporal")
    ]
    assert rates == sorted(rates)
    assert len(set(rates)) == 3
