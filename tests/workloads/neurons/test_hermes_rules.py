"""Hermes' decisions by hand, from the paper's equations and examples (arXiv 2502.16963, IV-B to IV-D)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from moe_cosim.workloads.neurons.activity import Clusters
from moe_cosim.workloads.neurons.policies.hermes import predictor
from moe_cosim.workloads.neurons.policies.hermes.adjustment import swapped
from moe_cosim.workloads.neurons.policies.hermes.costs import MapProblem
from moe_cosim.workloads.neurons.policies.hermes.offline_map import (
    at_random,
    beside_units,
    by_integer_program,
    hottest_first,
)
from moe_cosim.workloads.neurons.policies.hermes.remapping import remapped
from tests.workloads.neurons.small import like_small


def test_states_of_the_papers_figure_7() -> None:
    """Neuron 6 is active: 7 to 11. Neuron 5 is not: 10 to 9. Both ends hold."""
    states = np.array([[7, 10, 13, 0]], np.int8)
    assert predictor.next_states(states, np.array([[True, False, True, False]])).tolist() == [[11, 9, 15, 0]]


def test_first_states_by_frequency_in_the_prompt() -> None:
    found = predictor.first_states(np.array([0.0, 0.019, 0.02, 0.46, 0.899, 0.91, 1.0]))
    assert found.tolist() == [0, 0, 1, 8, 14, 15, 15]


def test_a_neuron_is_predicted_by_its_state_and_two_of_the_layer_before() -> None:
    """s1 + 6 s2 > 15: with none of the two no state is enough, with one 10 is, with both 4 is."""
    states = np.array([[9, 10, 15, 0], [15, 9, 10, 4]], np.int8)
    active = np.array([[True, True, False, False], [False, False, False, False]])
    correlated = np.array([[[-1, -1]] * 4, [[2, 3], [0, 2], [3, 1], [0, 1]]])
    likely = predictor.predicted(states, active, correlated)
    assert likely[1].tolist() == [False, False, True, True]
    assert likely[0].tolist() == [False, True, True, False]  # the first layer: by the state alone


def test_the_hottest_take_the_place_of_the_coldest_while_they_are_hotter_and_there_is_time() -> None:
    """Above 10 one is hot. 14 and 12 are, and 3 and 11 leave; 13 is on the GPU already."""
    states = np.array([[14, 12, 10, 13, 3, 11]], np.int8)
    hot = np.array([[False, False, False, True, True, True]])
    size = np.full(6, 100)
    come, go = swapped(states, hot, size, 1000)
    assert np.flatnonzero(come[0]).tolist() == [0, 1]
    assert np.flatnonzero(go[0]).tolist() == [4, 5]
    come, go = swapped(states, hot, size, 199)
    assert np.flatnonzero(come[0]).tolist() == [0]
    assert np.flatnonzero(go[0]).tolist() == [4]


def test_nothing_is_exchanged_for_its_equal() -> None:
    come, go = swapped(np.array([[12, 12]], np.int8), np.array([[False, True]]), np.full(2, 1), 10)
    assert not come.any()
    assert not go.any()


def test_the_busiest_unit_hands_its_most_active_to_the_idlest() -> None:
    """Loads 30, 12, 10, 4. First and last are 26 apart: 18 would be too much to hand over, 12 is not, and 9 more would
    be. The other two are 2 apart, and the most active of them is 11."""
    beside = np.array([0, 0, 0, 1, 1, 2, 3])
    activity = np.array([9, 18, 3, 11, 1, 10, 4])
    found = remapped(beside, activity, 4)
    assert np.bincount(beside, weights=activity).tolist() == [30, 12, 10, 4]
    assert found.tolist() == [0, 0, 0, 1, 1, 2, 3]  # 18 is the most active, and more than half of 26
    assert remapped(beside, np.array([9, 9, 12, 11, 1, 10, 4]), 4).tolist() == [0, 0, 3, 1, 1, 2, 3]


def test_what_is_handed_over_evens_the_loads_out() -> None:
    random = np.random.default_rng(3)
    beside, activity = random.integers(0, 8, 400), random.integers(0, 6, 400) * (1 + random.integers(0, 8, 400))
    before = np.bincount(beside, weights=activity, minlength=8)
    after = np.bincount(remapped(beside, activity, 8), weights=activity, minlength=8)
    assert after.sum() == before.sum()
    assert np.ptp(after) < np.ptp(before)


def _problem(layers: int, seed: int, gpu_bytes: int = 0, neurons: int = 4) -> MapProblem:
    """So small that all maps can be tried; clusters of one neuron."""
    model = like_small(hidden=neurons, heads=1, kv_heads=1, intermediate=neurons)
    clusters = Clusters.of(model, 1)
    random = np.random.default_rng(seed)
    return MapProblem(random.random((layers, 2 * neurons)), clusters, (1.0, 1.0), (5.0, 5.0), 2, 0, gpu_bytes)


@pytest.mark.parametrize("seed", range(6))
def test_the_map_in_closed_form_is_the_best_of_all_maps(seed: int) -> None:
    """But for what whole neurons leave of the memory: it is within the last neuron's time."""
    problem = _problem(1, seed, gpu_bytes=5 * 24, neurons=4)
    size = problem.clusters.bytes
    best = min(
        problem.objective_ps(np.array([chosen]))
        for chosen in itertools.product([False, True], repeat=len(size))
        if size[np.array(chosen)].sum() <= problem.gpu_bytes
    )
    hot = hottest_first(problem)
    assert (hot * size).sum() <= problem.gpu_bytes
    assert best <= problem.objective_ps(hot) <= best + 5.0


def test_with_room_for_all_the_gpu_takes_what_ends_with_the_units() -> None:
    problem = _problem(3, 1, gpu_bytes=10**9, neurons=64)
    for block in range(2):
        gpu, near = problem.stage_ps(hottest_first(problem), block)
        assert np.allclose(gpu, near, atol=5.0)


def test_the_map_in_closed_form_is_that_of_the_integer_program() -> None:
    pytest.importorskip("scipy")
    problem = _problem(3, 2, gpu_bytes=90 * 24 * 4, neurons=64)
    hot, closed = by_integer_program(problem, "test"), hottest_first(problem)
    assert (hot * problem.clusters.bytes).sum() <= problem.gpu_bytes
    assert problem.objective_ps(hot) == pytest.approx(problem.objective_ps(closed), rel=0.02)


def test_a_random_map_holds_as_much_and_is_worse() -> None:
    problem = _problem(4, 3, gpu_bytes=100 * 512, neurons=64)
    chosen = at_random(problem, 0)
    assert (chosen * problem.clusters.bytes).sum() <= problem.gpu_bytes
    assert problem.objective_ps(chosen) > 1.05 * problem.objective_ps(hottest_first(problem))


def test_units_are_expected_to_work_alike() -> None:
    problem = _problem(2, 4, neurons=256)
    hot = problem.frequency > 0.7
    beside = beside_units(problem.frequency, hot, problem.clusters, 8)
    for mine in problem.clusters.slices:
        work = np.where(hot[0, mine], 0.0, problem.frequency[0, mine])
        load = np.bincount(beside[0, mine], weights=work, minlength=8)
        assert load.max() - load.min() < 1.5
        assert (np.diff(beside[0, mine]) >= 0).all()
