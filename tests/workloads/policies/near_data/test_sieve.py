"""Sieve: which experts the search gives to the GPU, by a roofline and by what was observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.plan import Plan
from tests.workloads.hand_made import Decided, decided, one_layer

MACHINE = "b200-hbm-pim"
LOAD_S = 3 * 1024 * 1024 * 2 / 8e12
"""Of an expert to the GPU: 0.786 us."""
ROOFLINE_S = 3 * 1024 * 1024 * 2 / 98.304e12
"""Of one of its tokens in the memory: 64 ns."""
OBSERVED_S = (3 * (11 * 2e-9 + 28e-9) + 2 * 1024 * 2 / 31.25e9) / (1 - 0.1026)
"""As it is, by hand: 342 bytes a bank are 11 columns of one row; a token's values to every channel. 313 ns."""


def made(counts: Sequence[int], options: Mapping[str, Any] | None = None, decode: int = 0) -> Decided:
    """A prompt that gives each expert so many tokens, then steps of one token for expert 0."""
    prompt = [(expert,) for expert, count in enumerate(counts) for _ in range(count)]
    return decided(one_layer(prompt, [(0,)] * decode, len(counts)), "sieve", options, machine=MACHINE)


def on_gpu(plan: Plan, step: int = 0) -> set[int]:
    runs = plan.runs[plan.runs["step"] == step]
    return {int(run["expert"]) for run in runs if plan.units[run["unit"]] == "gpu.sm"}


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((12,), set()),  # 12 x 64 ns = 0.768 us in the memory, 0.786 us on the GPU
        ((13,), {0}),
        ((3, 20, 1), {1}),  # 0.786 beside 4 x 64 ns; with a second one the GPU takes 1.57
        ((20, 20, 20, 1), {0, 1}),  # 1.57 and 1.34; a third would make 2.36
        ((20, 20, 40, 20), {2, 0, 1}),  # the busiest first, of equals the lower: 2.36 and 1.28
    ],
)
def test_experts_with_the_most_tokens_move_as_long_as_the_longer_side_shrinks(
    counts: Sequence[int], expected: set[int]
) -> None:
    assert 12 * ROOFLINE_S < LOAD_S < 13 * ROOFLINE_S
    assert on_gpu(made(counts).plan) == expected


def test_what_was_observed_takes_the_place_of_the_roofline() -> None:
    """One token: by the roofline 64 ns, observed 313. Three experts of one are 0.94 us and stay whole in the memory by
    the one; by the other one goes to the GPU, which takes 0.786 us, longer than the 0.63 of those left."""
    found = made((1, 1, 1), decode=1)
    chosen = found.policy.on_gpu  # type: ignore[attr-defined]
    assert 2 * OBSERVED_S < LOAD_S < 3 * OBSERVED_S
    assert on_gpu(found.plan) == set()
    assert chosen(1, [1, 1, 1]) == 1
    assert made((1, 1, 1), {"table": False}, 1).policy.on_gpu(1, [1, 1, 1]) == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(("who", "expected"), [("gpu", {0, 1}), ("memory", set())])
def test_all_by_one_of_them(who: str, expected: set[int]) -> None:
    plan = made((1, 30), {"experts": who}).plan
    assert on_gpu(plan) == expected
    assert not len(plan.moves)


def test_a_machine_whose_memory_does_not_compute_is_refused() -> None:
    allowed = "one whose GPU's memory has a unit of model bank-gemv inside"
    with pytest.raises(InputError, match=f"machine: found 'h100-cxl-ndp'; allowed: {allowed}"):
        decided(one_layer([(0,)], [], 2), "sieve", machine="h100-cxl-ndp")
