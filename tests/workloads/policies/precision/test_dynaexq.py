"""DynaExq: hotness, its margin, exchanges of two precisions, and what a step reads of them."""

from __future__ import annotations

import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.plan import Plan
from tests.workloads.hand_made import decided, one_layer

HOT_BEFORE = one_layer([(0,), (0,), (0,), (1,)], [(1,)] * 4, 4)
"""Three of four tokens of the prompt ask for expert 0; then every token asks for expert 1."""
QUICK = {"high_share": 0.25, "smoothing": 0.5, "update_steps": 1}


def bits_by_step(plan: Plan) -> dict[int, dict[int, int]]:
    """Width at which each expert ran."""
    found: dict[int, dict[int, int]] = {}
    for run in plan.runs:
        found.setdefault(int(run["step"]), {})[int(run["expert"])] = plan.formats[run["format"]].bits
    return found


@pytest.mark.parametrize(("margin", "exchanged_in"), [(0.24, 1), (0.26, 2), (0.62, 2), (0.63, 3)])
def test_an_outsider_must_be_hotter_by_more_than_the_margin(margin: float, exchanged_in: int) -> None:
    """S = S/2 + c/2 from S = (3/4, 1/4): 3/8 and 5/8 after a step of expert 1, 3/16 and 13/16 after the second, 3/32
    and 29/32 after the third. They differ by 0.25, 0.625 and 0.8125."""
    plan = decided(HOT_BEFORE, "dynaexq", {**QUICK, "margin": margin}).plan
    moves = [(int(m["step"]), int(m["expert"]), plan.formats[m["format"]].bits) for m in plan.moves]
    assert moves == [(exchanged_in, 0, 4), (exchanged_in, 1, 16)]  # the demotion first
    widths = bits_by_step(plan)
    assert widths[0] == {0: 16, 1: 4}
    # the step that asks for the exchange still reads what was there
    assert [widths[step][1] for step in range(1, 5)] == [4] * exchanged_in + [16] * (4 - exchanged_in)


@pytest.mark.parametrize(
    ("options", "exchanges"), [({}, 1), ({"adaptive": False}, 0), ({"update_steps": 5}, 0), ({"update_steps": 4}, 1)]
)
def test_exchanges_come_every_so_many_steps(options: dict[str, object], exchanges: int) -> None:
    plan = decided(HOT_BEFORE, "dynaexq", {**QUICK, "margin": 0.1, **options}).plan
    assert len(plan.moves) == 2 * exchanges


def test_a_place_is_filled_when_the_run_that_reads_it_has_ended() -> None:
    """The demoted expert goes to a spare place; the promoted one takes its place at high precision."""
    plan = decided(HOT_BEFORE, "dynaexq", {**QUICK, "margin": 0.1}).plan
    demoted, promoted = plan.moves
    place = {(int(r["expert"]), int(r["address"])) for r in plan.residents if plan.formats[r["format"]].bits == 16}
    assert (0, int(promoted["target"])) in place
    assert int(demoted["after_run"]) == -1
    assert int(plan.runs[promoted["after_run"]]["expert"]) == 0
    assert not plan.moves["early"].any()
    blocking = decided(HOT_BEFORE, "dynaexq", {**QUICK, "margin": 0.1, "blocking": True}).plan
    assert blocking.moves["early"].all()


def test_two_exchanges_of_a_layer_are_on_their_way_at_once() -> None:
    """Three outsiders are hotter than the three of the prompt; the third waits for the next time."""
    routed = one_layer([(0, 1, 2)], [(3, 4, 5)] * 3, 6)
    plan = decided(routed, "dynaexq", {**QUICK, "high_share": 0.5, "margin": 0.0}).plan
    assert [int(m["step"]) for m in plan.moves] == [2] * 4 + [3] * 2  # equal after the first step


def test_what_does_not_fit_is_refused() -> None:
    small = {"devices.gpu.memories.hbm.capacity": "100 MB"}
    with pytest.raises(InputError, match=r"experts at fp16 and int4 in gpu.hbm: found .* GB needed, 64 of a layer"):
        decided(one_layer([(0,)], [], 128), "dynaexq", {"high_share": 0.5}, machine_set=small)
    with pytest.raises(InputError, match=r"policy.low_format: found 'fp16'; allowed: a format of fewer bits than fp16"):
        decided(HOT_BEFORE, "dynaexq", {"low_format": "fp16"})


def test_as_many_as_fit_at_high_precision() -> None:
    plan = decided(HOT_BEFORE, "dynaexq", {"high_share": None}).plan
    assert {plan.formats[run["format"]].bits for run in plan.runs} == {16}
