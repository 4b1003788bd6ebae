"""Which experts get how many bits when their average is given."""

from __future__ import annotations

import heapq
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.registry import Registry

MAX_BITS = 4
"""Replicas have 1 to this many bits."""


class Allocator(ABC):
    """Shares a budget of bits among the experts of one layer.

    Contract: every expert gets 1 to 4 bits; the bits above 1 add up to exactly
    floor(n * (average_bits - 1)); equal input gives equal bits.
    """

    summary: ClassVar[str]

    def allocate(
        self, importance: ArrayLike, losses: ArrayLike, average_bits: float, where: object = "allocation"
    ) -> NDArray[np.int64]:
        """[n] bits for `importance` [n] and `losses` [n, 4] at 1 to 4 bits.

        Raises `InputError` for an average outside [1, 4] and for arrays that are not finite or do
        not match.
        """
        ranks = np.asarray(importance, dtype=np.float64)
        table = np.asarray(losses, dtype=np.float64)
        count = len(ranks) if ranks.ndim == 1 else -1
        if count < 0 or table.shape != (count, MAX_BITS):
            found = Plain(f"importance {list(ranks.shape)}, losses {list(table.shape)}")
            raise InputError(where, "losses", found, "importance [n] and losses [n, 4]")
        if not (np.isfinite(ranks).all() and np.isfinite(table).all()):
            raise InputError(where, "losses", Plain("a value that is not finite"), "finite importance and losses")
        extra = spare_bits(count, average_bits, where)
        # Stable: among equally important experts the lower id comes first.
        order = np.argsort(-ranks, kind="stable")
        bits = np.ones(count, dtype=np.int64)
        bits[order] += self.extra_bits(table[order], extra)
        return bits

    @abstractmethod
    def extra_bits(self, losses: NDArray[np.float64], extra: int) -> NDArray[np.int64]:
        """[n] bits above 1, adding up to `extra`, for experts in falling importance."""


def spare_bits(experts: int, average_bits: float, where: object = "allocation") -> int:
    """Bits above 1 each that an average leaves to share: floor(experts * (average - 1)). Raises `InputError` for an
    average out of range.
    """
    number = isinstance(average_bits, int | float) and not isinstance(average_bits, bool)
    if not number or not 1 <= average_bits <= MAX_BITS:
        raise InputError(where, "average_bits", average_bits, f"a number from 1 to {MAX_BITS}")
    # The margin keeps 10 experts at 3.3 bits at 23: in binary 10 * 2.3 is 22.999...
    return math.floor(experts * (average_bits - 1) + 1e-9)


allocators: Registry[type[Allocator]] = Registry(
    "allocator", "allocators", ("moe_cosim.workloads.quantization.allocation",)
)


@allocators.register("prefix")
class PrefixAllocator(Allocator):
    """The selector of the context-aware CXL GPU-NDP system (arXiv 2512.04476).

    The n4 most important experts get 4 bits, the next n3 get 3, the next n2 get 2, the rest 1, with
    3 n4 + 2 n3 + n2 = R. Every R from 0 to 3n can be met (n4 = R // 3 and at most one more expert).
    With D_i(b) = L_i(1) - L_i(b) and its prefix sums C_b, it maximises

        C4(n4) + C3(n4 + n3) - C3(n4) + C2(n4 + n3 + n2) - C2(n4 + n3)

    over all (n4, n3); importance only orders the experts. Among equal maxima the smallest n4 wins,
    then the smallest n3.
    """

    summary = "the best of all splits by importance rank (arXiv 2512.04476)"

    def extra_bits(self, losses: NDArray[np.float64], extra: int) -> NDArray[np.int64]:
        count = len(losses)
        gains = losses[:, :1] - losses
        prefix = np.zeros((MAX_BITS, count + 1))
        prefix[:, 1:] = np.cumsum(gains, axis=0).T
        _, c2, c3, c4 = prefix
        n4 = np.arange(min(count, extra // 3) + 1)[:, None]
        n3 = np.arange(min(count, extra // 2) + 1)[None, :]
        n2 = extra - 3 * n4 - 2 * n3
        end4, end3 = n4, n4 + n3
        feasible = (n2 >= 0) & (end3 + n2 <= count)
        end3 = np.minimum(end3, count)
        end2 = np.clip(end3 + n2, 0, count)
        value = c4[end4] + c3[end3] - c3[end4] + c2[end2] - c2[end3]
        best = np.argmax(np.where(feasible, value, -np.inf))
        row, column = np.unravel_index(best, value.shape)
        most = int(n4[row, 0])
        more = int(n3[0, column])
        bits = np.zeros(count, dtype=np.int64)
        bits[:most] = 3
        bits[most : most + more] = 2
        bits[most + more : most + more + extra - 3 * most - 2 * more] = 1
        return bits


@allocators.register("uniform")
class UniformAllocator(Allocator):
    """The same bits for all; of a fractional average, the more important experts get the bit more."""

    summary = "the same bits for all experts, a remainder to the most important"

    def extra_bits(self, losses: NDArray[np.float64], extra: int) -> NDArray[np.int64]:
        count = len(losses)
        bits = np.full(count, extra // max(count, 1), dtype=np.int64)
        bits[: extra - int(bits.sum())] += 1
        return bits


@allocators.register("greedy")
class GreedyAllocator(Allocator):
    """Each next bit to the expert whose loss it cuts most, whatever its importance.

    Optimal when every expert's losses are convex in bits (Fox, "Discrete optimization via marginal
    analysis", Management Science 13(3), 1966). Among equals the more important expert comes first.
    """

    summary = "each next bit where it cuts the loss most"

    def extra_bits(self, losses: NDArray[np.float64], extra: int) -> NDArray[np.int64]:
        cuts = (losses[:, :-1] - losses[:, 1:]).tolist()
        bits = [0] * len(cuts)
        heap = [(-cut[0], rank) for rank, cut in enumerate(cuts)]
        heapq.heapify(heap)
        for _ in range(extra):
            _, rank = heap[0]
            bits[rank] += 1
            if bits[rank] < MAX_BITS - 1:
                heapq.heapreplace(heap, (-cuts[rank][bits[rank]], rank))
            else:
                heapq.heappop(heap)
        return np.array(bits, dtype=np.int64)


def allocate_layers(
    allocator: Allocator,
    importance: Sequence[ArrayLike],
    losses: Sequence[ArrayLike],
    average_bits: float,
    where: object = "allocation",
) -> list[NDArray[np.int64]]:
    """One allocation per layer, each with its own budget; layers may differ in experts. Of each layer `importance`
    [experts] and `losses` [experts, widths]; bits [experts].
    """
    return [
        allocator.allocate(ranks, table, average_bits, where) for ranks, table in zip(importance, losses, strict=True)
    ]


def total_loss(losses: ArrayLike, bits: ArrayLike) -> float:
    """Sum over experts of the loss [n, 4] at the bits [n] (1 to 4) each was given."""
    table = np.asarray(losses, dtype=np.float64)
    columns = np.asarray(bits, dtype=np.int64) - 1
    return float(np.take_along_axis(table, columns[:, None], axis=1).sum())
