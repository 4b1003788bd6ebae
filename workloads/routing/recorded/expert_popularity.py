"""How often each expert of a layer was chosen over a whole recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.routing import Experts

_ALWAYS: Final = 1 - 1e-9
"""The greatest chance: below 1, so that no two points of a token hit one expert."""
_ORDERS: Final = 64


@dataclass(frozen=True)
class ExpertPopularity:
    """Immutable; every layer was counted."""

    counts: NDArray[np.float64]
    """[layers, experts]: choices, in any unit."""
    where: str
    what: ClassVar[str] = "how often each expert was chosen, over all tokens"

    def __post_init__(self) -> None:
        counts = self.counts
        if counts.ndim != 2 or counts.size == 0 or not bool(np.isfinite(counts).all()) or bool((counts < 0).any()):
            raise InputError(self.where, "counts", Plain("no finite counts of 0 or more"), "[layers, experts] counts")
        empty = np.flatnonzero(counts.sum(axis=1) == 0)
        if len(empty):
            raise InputError(self.where, f"counts layer {empty[0]}", Plain("nothing counted"), "at least one choice")

    @property
    def layers(self) -> int:
        """MoE layers that were counted."""
        return int(self.counts.shape[0])

    @property
    def num_experts(self) -> int:
        """Experts of a layer, those never chosen among them."""
        return int(self.counts.shape[1])

    def draw(self, tokens: int, top_k: int, seed: int) -> Experts:
        """[tokens, layers, k]: each token k different experts of every layer, each as often as it was counted.

        Systematic sampling (Madow, 1949): experts lie side by side on a line, each as long as its chance; k points one
        apart, the first anywhere in the first unit, hit k of them. Tokens see the line in one of `_ORDERS` orders, so
        that neighbours are not always the same. Raises `InputError` where a layer used fewer than k experts.
        """
        used = (self.counts > 0).sum(axis=1)
        if int(used.min()) < top_k:
            layer = int(used.argmin())
            found = Plain(f"{used[layer]} experts in use")
            raise InputError(self.where, f"counts layer {layer}", found, f"at least {top_k}")
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 0x909])))
        chosen = np.empty((tokens, self.layers, top_k), np.uint16)
        for layer, counts in enumerate(self.counts):
            chance = _chances(counts, top_k)
            which, first = rng.integers(_ORDERS, size=tokens), rng.random(tokens)
            for number in range(_ORDERS):
                order = rng.permutation(len(chance))
                ends = np.cumsum(chance[order])
                ends[-1] = top_k
                rows = np.flatnonzero(which == number)
                points = first[rows, np.newaxis] + np.arange(top_k)
                chosen[rows, layer] = order[np.searchsorted(ends, points, side="right")]
        return chosen


def _chances(counts: NDArray[np.float64], top_k: int) -> NDArray[np.float64]:
    """[experts] of being among a token's `top_k`: in proportion to the counts, none above 1."""
    chance = np.zeros_like(counts)
    always = np.zeros(len(counts), np.bool_)
    while True:
        left = ~always
        if not counts[left].any():
            return chance
        chance[left] = counts[left] * ((top_k - always.sum()) / counts[left].sum())
        over = left & (chance >= _ALWAYS)
        if not over.any():
            return chance
        always |= over
        chance[over] = _ALWAYS
