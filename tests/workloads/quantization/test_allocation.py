"""Allocation of bits against brute force over every allocation there is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.testing import AllocatorContract
from moe_cosim.testing.allocator import problems
from moe_cosim.workloads.quantization.allocation import Allocator, allocate_layers, allocators, spare_bits, total_loss
from moe_cosim.workloads.quantization.losses import synthetic_losses

NAMES = ["greedy", "prefix", "uniform"]
Floats = NDArray[np.float64]


def make(name: str) -> Allocator:
    return allocators.get(name)()


def every_allocation(count: int, extra: int) -> Iterator[tuple[int, ...]]:
    """All bits from 1 to 4 of `count` experts with `extra` above 1 in all."""
    return (bits for bits in itertools.product((1, 2, 3, 4), repeat=count) if sum(bits) - count == extra)


class TestPrefix(AllocatorContract):
    allocator = "prefix"


class TestUniform(AllocatorContract):
    allocator = "uniform"


class TestGreedy(AllocatorContract):
    allocator = "greedy"


def test_every_registered_allocator_is_held_to_the_contract() -> None:
    assert {cls.allocator for cls in AllocatorContract.__subclasses__()} >= set(allocators.names())


@settings(max_examples=200)
@given(problem=problems(most=6))
def test_prefix_is_the_best_that_falls_with_importance(problem: tuple[Floats, Floats, float]) -> None:
    importance, losses, average = problem
    bits = make("prefix").allocate(importance, losses, average)
    order = np.argsort(-importance, kind="stable")
    assert (np.diff(bits[order]) <= 0).all()
    extra = int(bits.sum()) - len(bits)
    best = min(
        total_loss(losses[order], candidate)
        for candidate in every_allocation(len(bits), extra)
        if all(a >= b for a, b in itertools.pairwise(candidate))
    )
    assert total_loss(losses, bits) == best


@settings(max_examples=100)
@given(problem=problems(most=5, convex=True))
def test_greedy_is_the_best_of_all_for_convex_losses(problem: tuple[Floats, Floats, float]) -> None:
    importance, losses, average = problem
    bits = make("greedy").allocate(importance, losses, average)
    candidates = every_allocation(len(bits), int(bits.sum()) - len(bits))
    assert total_loss(losses, bits) == min(total_loss(losses, candidate) for candidate in candidates)


@given(problem=problems(most=12, convex=True))
def test_fewer_constraints_are_never_worse(problem: tuple[Floats, Floats, float]) -> None:
    greedy, prefix, uniform = (total_loss(problem[1], make(name).allocate(*problem)) for name in NAMES)
    assert greedy <= prefix <= uniform


def test_the_papers_case_by_hand() -> None:
    """Four experts at an average of 2 bits: R = 4, so (n4, n3, n2) is 1,0,1 or 0,2,0 or 0,1,2 or 0,0,4."""
    importance = [0.1, 0.4, 0.3, 0.2]
    flat = [[8.0, 4.0, 2.0, 1.0]] * 4
    np.testing.assert_array_equal(make("prefix").allocate(importance, flat, 2), [2, 2, 2, 2])
    steep = [flat[0], [80.0, 40.0, 20.0, 0.0], flat[2], flat[3]]  # the most important needs its fourth bit
    np.testing.assert_array_equal(make("prefix").allocate(importance, steep, 2), [1, 4, 2, 1])
    # the least important expert cannot be preferred by rank, but greedily
    last = [[80.0, 40.0, 20.0, 0.0], *flat[1:]]
    np.testing.assert_array_equal(make("prefix").allocate(importance, last, 2), [2, 2, 2, 2])
    np.testing.assert_array_equal(make("greedy").allocate(importance, last, 2), [4, 2, 1, 1])


def test_ties_are_settled() -> None:
    nothing_to_gain = np.zeros((4, 4))
    equal = np.ones(4)
    np.testing.assert_array_equal(make("prefix").allocate(equal, nothing_to_gain, 2), [2, 2, 2, 2])
    np.testing.assert_array_equal(make("prefix").allocate(equal, nothing_to_gain, 2.5), [3, 3, 2, 2])
    np.testing.assert_array_equal(make("greedy").allocate(equal, nothing_to_gain, 1.5), [3, 1, 1, 1])
    np.testing.assert_array_equal(make("uniform").allocate([1, 2, 3, 2], nothing_to_gain, 2.5), [2, 3, 3, 2])


@pytest.mark.parametrize(("average", "extra"), [(1, 0), (3.3, 23), (1.1, 1), (2.4, 14), (2.45, 14), (4, 30)])
def test_fractions_are_cut_off_but_not_by_binary_rounding(average: float, extra: int) -> None:
    assert spare_bits(10, average) == extra


@pytest.mark.parametrize("average", [0.99, 0, -1, 4.01, 16, float("nan"), float("inf"), "3", None, True])
def test_averages_out_of_range(average: Any) -> None:
    with pytest.raises(InputError, match=r"^my\.yaml: average_bits: found .*allowed: a number from 1 to 4"):
        make("prefix").allocate([1.0], [[4.0, 3.0, 2.0, 1.0]], average, "my.yaml")


@pytest.mark.parametrize(
    ("importance", "losses"),
    [
        ([1.0], [[4.0, 3.0, 2.0]]),
        ([1.0, 2.0], [[4.0, 3.0, 2.0, 1.0]]),
        ([[1.0]], [[4.0, 3.0, 2.0, 1.0]]),
        ([float("nan")], [[4.0, 3.0, 2.0, 1.0]]),
        ([1.0], [[4.0, float("nan"), 2.0, 1.0]]),
        ([1.0], [[float("inf"), 3.0, 2.0, 1.0]]),
    ],
)
def test_arrays_that_do_not_fit(importance: Any, losses: Any) -> None:
    with pytest.raises(InputError, match="losses: found"):
        make("uniform").allocate(importance, losses, 2)


def test_layers_are_allocated_each_for_itself() -> None:
    table = synthetic_losses(3, 8, 5, Assumptions()).loss
    importance = np.random.default_rng(0).random((3, 8))
    ndp = [slice(0, 8), slice(2, 8), slice(4, 4)]
    scores = [importance[layer][part] for layer, part in enumerate(ndp)]
    losses = [table[layer][part] for layer, part in enumerate(ndp)]
    bits = allocate_layers(make("prefix"), scores, losses, 3)
    assert [len(layer) for layer in bits] == [8, 6, 0]
    for layer, scored, lost in zip(bits, scores, losses, strict=True):
        np.testing.assert_array_equal(layer, make("prefix").allocate(scored, lost, 3))
    with pytest.raises(ValueError, match="zip"):
        allocate_layers(make("prefix"), scores, losses[:2], 3)


def test_registry_lists_all_three() -> None:
    assert allocators.names() == NAMES
    assert all("\n" not in cls.summary for _, cls in allocators)
    with pytest.raises(InputError, match="did you mean 'prefix'"):
        allocators.get("prefxi")
