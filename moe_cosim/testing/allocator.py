"""What every bit allocator must do. Its tests subclass `AllocatorContract` and name it:

class TestMine(AllocatorContract):
    allocator = "my-allocator"
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from moe_cosim.errors import InputError
from moe_cosim.testing.examples import many
from moe_cosim.workloads.quantization.allocation import MAX_BITS, Allocator, allocators, total_loss

Floats = NDArray[np.float64]
Problem = tuple[Floats, Floats, float]
"""Importance [n], losses [n, 4], and the average of bits."""


@st.composite
def problems(draw: st.DrawFn, most: int = 12, convex: bool = False) -> Problem:
    """Losses that fall with bits; whole numbers, so that sums are exact and ties happen."""
    count = draw(st.integers(1, most))
    number = st.integers(0, 20).map(float)
    importance = np.array(draw(st.lists(number, min_size=count, max_size=count)))
    cuts = np.array(draw(st.lists(st.tuples(number, number, number), min_size=count, max_size=count)))
    if convex:
        cuts = -np.sort(-cuts, axis=1)
    losses = np.concatenate([cuts[:, ::-1].cumsum(axis=1)[:, ::-1], np.zeros((count, 1))], axis=1)
    return importance, losses, draw(st.integers(100, 400)) / 100


class AllocatorContract:
    """Subclasses set `allocator`, a registered name."""

    allocator: ClassVar[str]

    def made(self) -> Allocator:
        """The allocator under test."""
        return allocators.get(self.allocator)()

    @many
    @given(problem=problems())
    def test_the_budget_is_used_exactly(self, problem: Problem) -> None:
        importance, losses, average = problem
        bits = self.made().allocate(importance, losses, average)
        assert bits.dtype == np.int64
        assert bits.shape == importance.shape
        assert bits.min() >= 1
        assert bits.max() <= MAX_BITS
        # in whole numbers: hundredths of a bit
        assert bits.sum() - len(bits) == len(bits) * (round(average * 100) - 100) // 100

    @many
    @given(problem=problems())
    def test_equal_input_equal_bits_and_the_input_stays(self, problem: Problem) -> None:
        importance, losses, average = problem
        before = importance.tobytes() + losses.tobytes()
        allocator = self.made()
        first = allocator.allocate(importance, losses, average)
        allocator.allocate(importance[::-1], losses[::-1], 1)
        np.testing.assert_array_equal(allocator.allocate(importance, losses, average), first)
        np.testing.assert_array_equal(self.made().allocate(importance, losses, average), first)
        assert importance.tobytes() + losses.tobytes() == before

    @many
    @given(problem=problems(), more=st.integers(0, 300))
    def test_a_larger_budget_is_never_worse(self, problem: Problem, more: int) -> None:
        importance, losses, average = problem
        allocator = self.made()
        larger = allocator.allocate(importance, losses, min(average + more / 100, float(MAX_BITS)))
        assert total_loss(losses, larger) <= total_loss(losses, allocator.allocate(importance, losses, average))

    @many
    @given(problem=problems(most=10), data=st.data())
    def test_the_numbers_of_experts_do_not_matter(self, problem: Problem, data: st.DataObject) -> None:
        importance, losses, average = problem
        importance = importance + np.arange(len(importance)) / 100  # no ties
        order = np.array(data.draw(st.permutations(range(len(importance)))))
        bits = self.made().allocate(importance, losses, average)
        np.testing.assert_array_equal(self.made().allocate(importance[order], losses[order], average), bits[order])

    @pytest.mark.parametrize("average", [1, 1.0, 2, 3, 4])
    def test_no_and_one_expert(self, average: float) -> None:
        assert self.made().allocate([], np.empty((0, MAX_BITS)), average).shape == (0,)
        np.testing.assert_array_equal(self.made().allocate([0.5], [[8.0, 4.0, 2.0, 1.0]], average), [average])

    @pytest.mark.parametrize("size", [1e-300, 1e-9, 1e9, 1e150])
    @pytest.mark.parametrize("average", [1.5, 2.7, 4])
    def test_losses_of_any_size(self, size: float, average: float) -> None:
        rng = np.random.default_rng(0)
        losses = -np.sort(-rng.random((60, MAX_BITS)), axis=1) * size
        bits = self.made().allocate(rng.random(60) * size, losses, average)
        assert bits.sum() - 60 == math.floor(60 * (average - 1) + 1e-9)

    @pytest.mark.parametrize("average", [0.99, 4.01, float("nan"), True])
    def test_averages_out_of_range_are_refused(self, average: float) -> None:
        with pytest.raises(InputError, match=r"^my\.yaml: average_bits: found "):
            self.made().allocate([1.0], [[4.0, 3.0, 2.0, 1.0]], average, "my.yaml")

    def test_it_is_described(self) -> None:
        summary = allocators.get(self.allocator).summary
        assert 10 <= len(summary) <= 120
        assert "\n" not in summary
