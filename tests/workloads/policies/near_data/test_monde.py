"""MoNDE: how many experts move, which ones, and the three readings of the rounding."""

from __future__ import annotations

import math

import pytest

from moe_cosim.workloads.plan import Plan
from tests.workloads.hand_made import decided, dense_bytes, fetched, one_layer, routing


def of_step(plan: Plan, step: int) -> list[int]:
    """Experts that moved, hottest first."""
    return [expert for at, _, expert in fetched(plan) if at == step]


def share(machine: str, alpha: float = 1.0, **assumed: str) -> float:
    """alpha * link / (device + link), from the machine's own figures."""
    built = decided(one_layer([(0,)], [], 2), "monde", machine=machine, assumptions=assumed).scenario.machine
    device = sum(memory.peak_bytes_per_s for memory in built.memories.values() if memory.kind == "ndp")
    link = min(one.bytes_per_s for one in built.links.values() if math.isfinite(one.bytes_per_s))
    return alpha * link / (device + link)


def test_the_share_of_the_paper() -> None:
    """32 GB/s against 512 GB/s is one seventeenth: of 17 experts one moves, of 18 two."""
    assumed = {"cxl-link-rate": "32 GB/s"}
    assert share("h100-cxl-ndp", **assumed) == pytest.approx(1 / 17)
    for activated, moved in ((17, 1), (18, 2)):
        routed = one_layer([(expert,) for expert in range(activated)], [], 20)
        assert len(of_step(decided(routed, "monde", assumptions=assumed).plan, 0)) == moved


@pytest.mark.parametrize("machine", ["h100-cxl-ndp", "h100-cxl-ndp-4", "a100-monde"])
@pytest.mark.parametrize("alpha", [0.25, 1.0, 3.0, 8.0])
@pytest.mark.parametrize(("rounding", "rounded"), [("ceil", math.ceil), ("floor", math.floor)])
def test_h_experts_move_of_those_activated(machine: str, alpha: float, rounding: str, rounded: object) -> None:
    experts = 40
    prompt = [(expert,) for expert in range(34)]
    routed = one_layer(prompt, [(0,), (7,)], experts)
    assumed = {"monde-alpha": alpha, "monde-migration": rounding}
    plan = decided(routed, "monde", machine=machine, assumptions=assumed).plan
    for step, activated in ((0, 34), (1, 1), (2, 1)):
        exact = share(machine, alpha) * activated
        assert len(of_step(plan, step)) == min(rounded(exact), activated)  # type: ignore[operator]


def test_the_hottest_move_and_the_rest_run_near_the_data() -> None:
    prompt = [(2,), (0,), (2,), (1,), (2,), (1,), (3,)]  # counts: 0:1, 1:2, 2:3, 3:1
    plan = decided(one_layer(prompt, [(3,)], 4), "monde", assumptions={"monde-alpha": 6.0}).plan
    # ceil(6 / 9 * 4) of the four; of equal counts the lower number first
    assert of_step(plan, 0) == [2, 1, 0]
    on_gpu = plan.runs["unit"] == plan.units.index("gpu.sm")
    assert (on_gpu == (plan.runs["move"] >= 0)).all()
    assert set(plan.runs["expert"][on_gpu & (plan.runs["step"] == 0)].tolist()) == {2, 1, 0}


def test_every_step_decides_afresh() -> None:
    plan = decided(one_layer([(0,)], [(0,), (0,)], 2), "monde").plan
    assert fetched(plan) == [(0, 0, 0), (1, 0, 0), (2, 0, 0)]


def test_floor_moves_nothing_for_one_token() -> None:
    plan = decided(one_layer([(0, 1)], [(0, 1)], 4), "monde", assumptions={"monde-migration": "floor"}).plan
    assert len(plan.moves) == 0
    assert {plan.units[unit] for unit in plan.runs["unit"]} == {"ndp.core"}


def test_ceil_unless_resident_keeps_the_prompts_hottest() -> None:
    prompt = [(2,), (2,), (1,), (2,), (0,), (1,)]
    routed = one_layer(prompt, [(2,), (0,), (0,)], 3)
    assumed = {"monde-migration": "ceil-unless-resident"}
    plan = decided(routed, "monde", {"resident_experts": 1}, assumptions=assumed).plan
    assert of_step(plan, 0) == [2]  # stays
    assert of_step(plan, 1) == []  # 2 is there
    assert of_step(plan, 2) == [0]  # 2 is not asked for: at least one moves
    assert of_step(plan, 3) == [0]  # and is not kept
    run_of_2 = plan.runs[(plan.runs["step"] == 1)]
    assert run_of_2["move"].tolist() == [0]


def test_a_resident_expert_keeps_all_others_near_the_data() -> None:
    routed = one_layer([(2, 0), (2, 1)], [(2, 0)], 3)
    assumed = {"monde-migration": "ceil-unless-resident", "monde-alpha": 8.0}
    plan = decided(routed, "monde", {"resident_experts": 1}, assumptions=assumed).plan
    decode = plan.runs[plan.runs["step"] == 1]
    where = {int(run["expert"]): plan.units[run["unit"]] for run in decode}
    assert where == {2: "gpu.sm", 0: "ndp.core"}


def test_layers_are_decided_one_by_one() -> None:
    plan = decided(routing([[(0,), (1,)], [(0,), (1,)], [(1,), (0,)]], [], 2), "monde").plan
    assert fetched(plan) == [(0, 0, 0), (0, 1, 1)]


@pytest.mark.parametrize(("fitting", "stay"), [(1, 0), (3, 0), (4, 0), (5, 1), (6, 2)])
def test_residents_are_what_fits_beside_the_layer_s_experts(fitting: int, stay: int) -> None:
    """Of one layer with 4 experts of 6 MiB; where not even those fit nothing stays, and the hottest still moves."""
    routed = one_layer([(2,), (2,), (1,), (0,), (3,)], [], 4)
    room = dense_bytes(routed) + fitting * 6 * 2**20
    found = decided(
        routed,
        "monde",
        assumptions={"monde-migration": "ceil-unless-resident"},
        machine_set={"devices.gpu.memories.hbm.capacity": f"{room} B"},
    )
    regions = {region.name: region.size_bytes for region in found.scenario.addresses.regions}
    assert regions["resident experts"] == stay * 6 * 2**20
    assert of_step(found.plan, 0) == [2, 0][: max(stay, 1)]
