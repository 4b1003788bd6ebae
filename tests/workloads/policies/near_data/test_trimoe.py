"""TriMoE's scheduler against the formula and brute force; its layout changes; the ablation's switches."""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.experiment import Experiment
from moe_cosim.workloads.policies.near_data.trimoe.costs import CPU, GPU, NDP, TriMoeCosts
from moe_cosim.workloads.policies.near_data.trimoe.layout import _asked_for
from moe_cosim.workloads.policies.near_data.trimoe.schedule import makespan, schedule
from moe_cosim.workloads.prepare import Prepared, prepare
from moe_cosim.workloads.stripes import STRIPED

MODULES = 3


@st.composite
def layers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(costs, place, drain, delay) of up to six experts; times are whole ps."""
    count = draw(st.integers(1, 6))
    times = st.integers(1, 100)
    place = np.array(draw(st.lists(st.integers(-1, MODULES - 1), min_size=count, max_size=count)), dtype=np.int64)
    costs = np.array([[draw(times) for _ in range(3)] for _ in range(count)], dtype=float)
    costs[place < 0, NDP] = np.inf
    if draw(st.booleans()):
        costs[:, CPU] = np.inf
    drain = np.array([[draw(times) / 10, draw(times) / 10, 0.0] for _ in range(count)])
    delay = np.array([draw(times) / 10 for _ in range(count)])
    return costs, place, drain, delay


def formula(costs: np.ndarray, place: np.ndarray, drain: np.ndarray, delay: np.ndarray, path: tuple[int, ...]) -> float:
    """max(sum GPU, sum CPU, max over modules of their experts and what they serve), written out."""
    gpu = sum(costs[e, GPU] for e, p in enumerate(path) if p == GPU)
    cpu = sum(costs[e, CPU] for e, p in enumerate(path) if p == CPU)
    cpu += sum(delay[e] for e, p in enumerate(path) if p == GPU)
    modules = [0.0] * MODULES
    for e, p in enumerate(path):
        for d in range(MODULES):
            if p == NDP and place[e] == d:
                modules[d] += costs[e, NDP]
            elif p != NDP and place[e] in (d, -1):
                modules[d] += drain[e, p]
    return max(gpu, cpu, *modules)


def planned(layer: tuple[np.ndarray, ...], refine: bool) -> tuple[float, tuple[int, ...]]:
    costs, place, drain, delay = layer
    path = np.empty(len(place), dtype=np.int64)
    found = schedule(costs, place, drain, delay, MODULES, refine, path)
    return found, tuple(path.tolist())


@settings(max_examples=80, deadline=None)
@given(layers())
def test_the_makespan_is_the_formulas(layer: tuple[np.ndarray, ...]) -> None:
    for refine in (False, True):
        found, path = planned(layer, refine)
        costs, place, drain, delay = layer
        assert found == pytest.approx(formula(costs, place, drain, delay, path))
        assert makespan(costs, place, drain, delay, MODULES, np.array(path)) == pytest.approx(found)


@settings(max_examples=80, deadline=None)
@given(layers())
def test_the_start_is_every_experts_cheapest_path(layer: tuple[np.ndarray, ...]) -> None:
    _, path = planned(layer, refine=False)
    assert all(layer[0][e, p] == layer[0][e].min() for e, p in enumerate(path))


@settings(max_examples=80, deadline=None)
@given(layers())
def test_refinement_is_never_worse_and_never_better_than_the_best(layer: tuple[np.ndarray, ...]) -> None:
    costs, place, drain, delay = layer
    start, _ = planned(layer, refine=False)
    refined, path = planned(layer, refine=True)
    possible = itertools.product(*([p for p in range(3) if np.isfinite(row[p])] for row in costs))
    best = min(formula(costs, place, drain, delay, each) for each in possible)
    assert best * (1 - 1e-9) <= refined <= start * (1 + 1e-9)
    assert all(np.isfinite(costs[e, p]) for e, p in enumerate(path))


def test_refinement_relieves_the_bottleneck() -> None:
    """Four alike, cheapest on the CPU: greedy queues them all there, refinement spreads them."""
    costs = np.tile([12.0, 10.0, 11.0], (4, 1))
    place = np.array([0, 1, 2, 0])
    layer = costs, place, np.zeros((4, 3)), np.zeros(4)
    assert planned(layer, refine=False) == (40.0, (CPU,) * 4)
    refined, path = planned(layer, refine=True)
    assert refined <= 12.0
    assert sorted(path).count(CPU) == 1


@cache
def run(**options: object) -> Prepared:
    experiment = Experiment(
        name="trimoe",
        machine={"use": "h100-amx-dimm-ndp"},
        model="deepseek-v2-lite",
        routing={"source": "batch"},
        workload={"batch": 128, "prompt_tokens": 8, "output_tokens": 9},
        policy={"name": "trimoe", "gpu_experts": 4, **options},
        kv_cache="near-data",
        assumptions={"batch-routing-drift": 0.3},
    )
    return prepare(experiment)


def test_the_switches_switch() -> None:
    found = {
        "base": run(cpu=False, refine=False, relayout=False),
        "cpu": run(refine=False, relayout=False),
        "full": run(),
    }
    cpu = {name: found[name].plan.units.index("host.cpu") for name in found}
    on_cpu = {name: int((one.plan.runs["unit"] == cpu[name]).sum()) for name, one in found.items()}
    assert on_cpu["base"] == 0 < min(on_cpu["cpu"], on_cpu["full"])
    early = {name: int(one.plan.moves["early"].sum()) for name, one in found.items()}
    assert early["base"] == early["cpu"] == 0 < early["full"]
    assert (found["base"].plan.moves["target"] < STRIPED).all()


def test_layouts_change_in_decode_only_and_the_predictor_is_judged() -> None:
    found = run()
    moves = found.plan.moves
    assert set(moves["step"][moves["early"]].tolist()) <= set(range(1, 9))
    report = found.policy.report()
    assert 0 <= report["predictor accuracy"] <= 1
    assert report["migrations per layer"] > 0


def test_chances_are_the_same_on_every_processor() -> None:
    """Near ties hang on the last bit, which NumPy's expm1 has otherwise where it may use AVX-512."""
    predicted = np.random.default_rng(0).gamma(0.5, size=(4, 160))
    expected = [[-math.expm1(-each) for each in row] for row in predicted.tolist()]
    assert _asked_for(predicted).tolist() == expected


def test_what_each_path_of_an_expert_costs_by_where_it_lies() -> None:
    """On the GPU and striped; striped alone; in module 0. A module reads its own expert for nobody else."""
    of_tokens = [np.array([0.0, 10.0 * each, 10.0 * each + 1]) for each in range(6)]
    hit, miss, miss_local, cpu, cpu_local, near = of_tokens
    costs = TriMoeCosts(hit, (miss, miss_local), (cpu, cpu_local), near, (3.0, 6.0), (7.0, 8.0), (0.0, 0.0), 0.0)
    asked = np.array([1, 2, 2]), np.array([True, False, False]), np.array([-1, -1, 0])
    times, drain, delay = costs.of(*asked, cpu=True)
    assert times.tolist() == [[0, 30, np.inf], [11, 31, np.inf], [21, 41, 51]]
    assert drain.tolist() == [[0, 3, 0], [3, 3, 0], [6, 6, 0]]
    assert delay.tolist() == [0, 7, 8]
    assert np.isinf(costs.of(*asked, cpu=False)[0][:, CPU]).all()


def test_warm_experts_go_into_stripes_and_those_that_cooled_back_into_a_module() -> None:
    """Relayout both ways (arXiv 2603.01058): striped experts would else fill up all places for them."""
    found = run()
    moves = found.plan.moves[found.plan.moves["early"]]
    homes = [each.local_memory for each in found.machine.near_data_units]
    modules = [index for index, memory in enumerate(found.machine.memory_list) if memory.name in homes]
    in_module = np.isin(found.machine.memory_index(moves["target"]), modules)
    assert (moves["target"] >= STRIPED).any()
    assert (in_module & (moves["source"] >= STRIPED)).any()
