"""DALI: who takes what, by hand and against the best; what is exchanged and fetched ahead."""

from __future__ import annotations

from functools import cache
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run
from moe_cosim.workloads.policies.hybrid.dali import dealt, least_span
from tests.workloads.hand_made import decided, one_layer, routing

HYBRID = "rtx4090-xeon-6454s"
NOTHING_AHEAD = {"prefetch_experts": 0}


def test_experts_are_dealt_by_hand() -> None:
    """By the difference of their times: 0 (8), then 1 and 2 (6). 0 to the GPU, which ends at 1 and not at 9; 1 to the
    CPU, which ends at 4 and not at 11; 2 to the CPU as well, at 8 and not at 11."""
    assert dealt([1, 10, 10], [9, 4, 4]) == [True, False, False]
    # 1 to the GPU, 0 to the CPU, at 5 and not at 6, 2 to the GPU, at 6 and not at 10
    assert dealt([5, 1, 5], [5, 9, 5]) == [False, True, True]
    assert dealt([], []) == []


def ends(gpu_ps: list[int], cpu_ps: list[int], on_gpu: tuple[bool, ...]) -> int:
    """The paper's objective: the larger of the two sides' sums."""
    sums = [0, 0]
    for gpu, cpu, chosen in zip(gpu_ps, cpu_ps, on_gpu, strict=True):
        sums[chosen] += gpu if chosen else cpu
    return max(sums)


times = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=7)


@settings(deadline=None, max_examples=80)
@given(times)
def test_dealing_is_no_worse_than_either_side_alone_and_no_better_than_the_best(pairs: list[tuple[int, int]]) -> None:
    gpu_ps, cpu_ps = [gpu for gpu, _ in pairs], [cpu for _, cpu in pairs]
    own = ends(gpu_ps, cpu_ps, tuple(dealt(gpu_ps, cpu_ps)))
    best = min(ends(gpu_ps, cpu_ps, chosen) for chosen in product((False, True), repeat=len(pairs)))
    assert best <= own <= min(sum(gpu_ps), sum(cpu_ps))
    assert best - 50 <= least_span(gpu_ps, cpu_ps) <= best + 1e-9  # one expert is split, at most


def test_a_bound_for_every_assignment_by_hand() -> None:
    """The expert of 1 and 8 goes to the GPU whole. Of the other, 4 and 4, the GPU takes the share x with which both
    sides end together: 1 + 4 x = 4 - 4 x, x = 3/8."""
    assert least_span([1, 4], [8, 4]) == 2.5
    assert least_span([6], [2]) == 1.5  # a quarter of it on the GPU


def test_who_takes_what_where_costs_are_not_asked() -> None:
    """Three experts, of which the first is cached."""
    for assignment, on_gpu in (("gpu", [0, 1, 2]), ("cpu", [0])):
        options = {"cache_experts": 1, "assignment": assignment, **NOTHING_AHEAD}
        plan = decided(one_layer([(0, 1, 2)], [(0, 1, 2)], 3), "dali", options, machine=HYBRID).plan
        runs = plan.runs[plan.runs["step"] == 1]
        assert sorted(runs["expert"][runs["unit"] == plan.units.index("gpu.sm")].tolist()) == on_gpu


def test_at_a_window_s_end_the_busiest_outside_takes_the_slot_of_the_least_busy() -> None:
    """Windows of two steps, one slot, which holds expert 0: by the end of step 1 expert 2 has had two tokens."""
    options = {"cache_experts": 1, "window_steps": 2, **NOTHING_AHEAD}
    plan = decided(one_layer([(2,)], [(2,), (2,), (1,)], 3), "dali", options, machine=HYBRID).plan
    cached = int(plan.residents[(plan.residents["address"] < 1 << 62) & (plan.residents["expert"] == 0)]["address"][-1])
    exchanges = plan.moves[plan.moves["prefetch"]]
    assert exchanges[["step", "expert"]].tolist() == [(1, 2)]
    assert exchanges["target"][0] == cached
    runs = plan.runs[plan.runs["step"] == 2]
    assert plan.units[runs["unit"][0]] == "gpu.sm"
    assert runs["address"][0] == cached


def test_several_come_ahead_each_to_a_place_of_its_own() -> None:
    """The next layer's two; of equally busy ones the lower first."""
    chosen = [(0, 1), (2, 1)]
    options = {"cache_experts": 0, "prefetch_experts": 2}
    steps = routing([chosen], [chosen], 3)
    plan = decided(steps, "dali", options, machine=HYBRID, assumptions={"dali-prefetch-accuracy": 1.0}).plan
    ahead = plan.moves[plan.moves["of_layer"] > plan.moves["layer"]]
    assert ahead["expert"].tolist() == [1, 2]
    assert len(set(ahead["target"].tolist())) == 2


def test_the_next_layer_s_busiest_expert_comes_ahead() -> None:
    """Of two sequences' tokens one expert has both: it is fetched where the guess is sure, unless it is cached."""
    chosen = [(1,), (2,)]
    for slots, expected in ((0, [(1, 0, 1, 2), (2, 0, 1, 2)]), (3, [])):
        plan = decided(
            routing([chosen], [chosen, chosen], 3),
            "dali",
            {"cache_experts": slots},
            machine=HYBRID,
            assumptions={"dali-prefetch-accuracy": 1.0},
        ).plan
        ahead = plan.moves[plan.moves["of_layer"] > plan.moves["layer"]]
        assert ahead[["step", "layer", "of_layer", "expert"]].tolist() == expected


@cache
def took(experiment: str, cache_experts: int | None = None) -> Result:
    size = {"workload.batch": 8, "workload.prompt_tokens": 16, "workload.output_tokens": 5}
    more = {} if cache_experts is None else {"policy.cache_experts": cache_experts}
    return run(f"{experiment}-qwen3-30b-a3b", {**size, **more}, keep=())


def test_it_is_faster_than_all_experts_on_the_cpu_and_its_cache_helps() -> None:
    own, on_cpu, without = took("dali"), took("dali-ktransformers"), took("dali", 0)
    assert own.decode_s < without.decode_s < on_cpu.decode_s
    assert own.time_to_first_token_s < on_cpu.time_to_first_token_s
