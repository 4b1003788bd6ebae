"""The first seed's system (arXiv 2512.04476): importance, placement, widths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.workloads.routing.routing import Routing
from tests.workloads.hand_made import Decided, decided, one_layer, routing

WEIGHTS = {0: 1.0, 1: 2.0, 2: 3.0, 3: 10.0, 4: 1.0, 5: 1.0}


def importance(routed: Routing, layer: int, alpha: float) -> np.ndarray:
    """Written out from the definition, token by token."""
    counts, weights = np.zeros(routed.num_experts), np.zeros(routed.num_experts)
    for chosen, weight in zip(
        routed.prefill_experts[0, :, layer], routed.prefill_weights[0, :, layer].astype(float), strict=True
    ):
        for expert, one in zip(chosen, weight, strict=True):
            counts[expert] += 1
            weights[expert] += one
    return alpha * counts / counts.sum() + (1 - alpha) * weights / weights.sum()


def on_gpu(decision: Decided, layer: int) -> set[int]:
    moves = decision.plan.moves
    return set(moves["expert"][moves["of_layer"] == layer].tolist())


def widths(decision: Decided, step: int) -> dict[int, int]:
    """Bits of every expert that runs near the data."""
    plan = decision.plan
    runs = plan.runs[(plan.runs["step"] == step) & (plan.runs["unit"] != plan.units.index("gpu.sm"))]
    return {int(run["expert"]): plan.formats[run["format"]].bits for run in runs}


tokens = st.lists(st.permutations(range(6)).map(lambda order: tuple(order[:2])), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(prompt=tokens, alpha=st.sampled_from([0.0, 0.3, 0.5, 1.0]), count=st.integers(0, 6))
def test_the_most_important_experts_go_to_the_gpu(prompt: list[tuple[int, int]], alpha: float, count: int) -> None:
    routed = one_layer(prompt, [(0, 1)], 6, weights=WEIGHTS)
    found = decided(routed, "cxl-ndp", {"gpu_experts": count, "alpha": alpha})
    expected = importance(routed, 0, alpha)
    chosen = on_gpu(found, 0)
    assert len(chosen) == count
    others = set(range(6)) - chosen
    if chosen and others:
        assert min(expected[list(chosen)]) >= max(expected[list(others)]) - 1e-6


def test_counts_and_weights_can_disagree() -> None:
    # 0 is chosen most often, 3 with the largest weights
    routed = one_layer([(3, 0), (1, 0), (2, 0)], [(0, 1)], 4, weights={0: 1.0, 1: 1.0, 2: 1.0, 3: 10.0})
    assert on_gpu(decided(routed, "cxl-ndp", {"gpu_experts": 1, "alpha": 1.0}), 0) == {0}
    by_weight = importance(routed, 0, 0.0)
    assert on_gpu(decided(routed, "cxl-ndp", {"gpu_experts": 1, "alpha": 0.0}), 0) == {int(np.argmax(by_weight))}


def test_placement_is_fixed_after_the_prompt_and_experts_run_where_they_live() -> None:
    prompt = [[(0, 1), (4, 5)], [(0, 2), (4, 3)]]
    decode = [[(2, 3), (0, 1)], [(0, 5), (4, 1)], [(1, 4), (5, 4)]]
    found = decided(routing(prompt, decode, 6), "cxl-ndp", {"gpu_experts": 2}, average_bits=2.0)
    plan = found.plan
    assert (plan.moves["step"] == 0).all()
    assert (plan.moves["layer"] == plan.moves["of_layer"]).all()
    for run in plan.runs:
        lives_on_gpu = int(run["expert"]) in on_gpu(found, int(run["layer"]))
        assert (plan.units[run["unit"]] == "gpu.sm") == lives_on_gpu
        assert (run["move"] >= 0) == lives_on_gpu
        if lives_on_gpu or run["step"] == 0:
            assert plan.formats[run["format"]].bits == 16


def test_experts_live_on_several_devices_in_turn() -> None:
    routed = one_layer([(0, 1)], [(2, 3), (4, 5)], 6)
    plan = decided(routed, "cxl-ndp", {"gpu_experts": 0}, machine="h100-cxl-ndp-4", average_bits=2.0).plan
    where = {int(run["expert"]): plan.units[run["unit"]] for run in plan.runs}
    assert where == {expert: f"ndp{expert % 4}.core" for expert in range(6)}


@settings(deadline=None, max_examples=40)
@given(prompt=tokens, average=st.sampled_from([1.0, 1.5, 2.0, 2.75, 3.0, 4.0]), count=st.integers(0, 4))
def test_bits_fall_with_importance_and_use_the_budget_exactly(
    prompt: list[tuple[int, int]], average: float, count: int
) -> None:
    routed = one_layer(prompt, [(0, 1), (2, 3), (4, 5)], 6, weights=WEIGHTS)
    found = decided(routed, "cxl-ndp", {"gpu_experts": count}, average_bits=average)
    bits = widths(found, 1) | widths(found, 2) | widths(found, 3)
    cold = 6 - count
    assert set(bits) == set(range(6)) - on_gpu(found, 0)
    assert sum(bits.values()) == cold + int(cold * (average - 1))
    ranked = importance(routed, 0, 0.5)
    for one, its_bits in bits.items():
        for other, other_bits in bits.items():
            if ranked[one] > ranked[other] + 1e-6:
                assert its_bits >= other_bits


def test_without_a_budget_everything_stays_16_bits() -> None:
    found = decided(one_layer([(0, 1)], [(2, 3)], 4), "cxl-ndp", {"gpu_experts": 1})
    assert {weight_format.bits for weight_format in found.plan.formats} == {16}
    assert widths(found, 1) == {2: 16, 3: 16}


def test_all_replicas_lie_on_the_device() -> None:
    found = decided(one_layer([(0, 1)], [(2, 3)], 4), "cxl-ndp", {"gpu_experts": 1}, average_bits=2.0)
    residents = found.plan.residents
    kept = {found.plan.formats[index].bits for index in np.unique(residents["format"])}
    assert kept == {16, 1, 2, 3, 4}
    assert len(residents) == 5 * 4
    memory = found.scenario.machine.memory_index(residents["address"])
    assert {found.scenario.machine.memory_list[index].name for index in memory} == {"ndp.dram"}


def test_without_a_number_the_gpu_takes_what_fits() -> None:
    routed = routing([[(0,), (0,)]], [], 8)
    capacity = {"devices.gpu.memories.hbm.capacity": "60 MB"}  # 15 MB dense, 6.3 MB an expert
    found = decided(routed, "cxl-ndp", machine_set=capacity)
    assert len(on_gpu(found, 0)) == len(on_gpu(found, 1)) == 3
    assert found.scenario.addresses.free_bytes("gpu.hbm") < 2 * 6.3e6


def test_a_machine_without_near_data_cores_is_refused() -> None:
    with pytest.raises(InputError, match=r"a machine with an NDP unit \(policy cxl-ndp\)"):
        decided(one_layer([(0,)], [], 2), "cxl-ndp", machine="h100-host")


@pytest.mark.parametrize("average", [0.5, 4.5])
def test_a_budget_outside_the_replicas_is_refused(average: float) -> None:
    with pytest.raises(InputError, match="average_bits"):
        decided(one_layer([(0,)], [(1,)], 2), "cxl-ndp", {"gpu_experts": 0}, average_bits=average)
