"""How many tokens of a batch each expert got, step by step: what serving systems record of themselves.

Counts say nothing of single tokens. Tokens are dealt so that every step and layer has exactly the counted loads, each
token k different experts; which token gets which is arbitrary, and layers are independent.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.routing import Experts

_MOST_CHOICES: Final = 200_000_000
"""Refuse to deal more (400 MB of ids)."""


@dataclass(frozen=True)
class BatchCounts:
    """Immutable and valid by construction: some model could have routed so."""

    counts: NDArray[np.int64]
    """[steps, layers, experts]; no step and no layer without tokens."""
    top_k: int
    where: str
    what: ClassVar[str] = "counts of a batch's steps"

    def __post_init__(self) -> None:
        counts = self.counts
        if counts.ndim != 3 or counts.size == 0:
            raise InputError(self.where, "counts", Plain("nothing counted"), "at least one step with tokens")
        if counts.min() < 0:
            raise InputError(self.where, "counts", int(counts.min()), "counts of 0 or more")
        total = counts.sum(axis=2)
        wrong = np.argwhere(total != (self.tokens * self.top_k)[:, None])
        if len(wrong):
            step, layer = wrong[0]
            allowed = f"{self.top_k} times the step's tokens, the same in all layers"
            raise InputError(self.where, f"counts step {step} layer {layer}", int(total[step, layer]), allowed)
        wrong = np.argwhere(counts > self.tokens[:, None, None])
        if len(wrong):
            step, layer, expert = wrong[0]
            allowed = f"at most the step's {self.tokens[step]} tokens (k experts differ)"
            field = f"counts step {step} layer {layer} expert {expert}"
            raise InputError(self.where, field, int(counts[step, layer, expert]), allowed)

    @classmethod
    def of(cls, counts: NDArray[np.int64], top_k: int, where: object) -> BatchCounts:
        """`counts` [steps, layers, experts] without the steps and layers in which nothing was counted."""
        counts = counts[(counts != 0).any(axis=(1, 2))]
        return cls(counts[:, (counts != 0).any(axis=(0, 2))], top_k, str(where))

    @property
    def steps(self) -> int:
        """Steps that were counted."""
        return len(self.counts)

    @property
    def layers(self) -> int:
        """MoE layers that were counted."""
        return int(self.counts.shape[1])

    @property
    def num_experts(self) -> int:
        """Experts of a layer, those without tokens among them."""
        return int(self.counts.shape[2])

    @property
    def tokens(self) -> NDArray[np.int64]:
        """[steps]."""
        return np.asarray(self.counts[:, 0].sum(axis=1) // self.top_k, np.int64)

    def sizes(self) -> str:
        """In words: how many steps have how many tokens."""
        found = Counter(self.tokens.tolist()).most_common(6)
        more = ", ..." if len(set(self.tokens.tolist())) > len(found) else ""
        return ", ".join(f"{count} of {tokens} tokens" for tokens, count in found) + more

    def deal(self, step: int, rng: np.random.Generator) -> Experts:
        """[tokens, layers, k] of one step. Raises `InputError` for a step too large to be dealt."""
        tokens = int(self.tokens[step])
        if tokens * self.layers * self.top_k > _MOST_CHOICES:
            raise InputError(
                self.where, f"counts step {step}", tokens, f"at most {_MOST_CHOICES} choices in all layers"
            )
        return np.stack([_deal(layer, tokens, self.top_k, rng) for layer in self.counts[step]], axis=1)


def _deal(counts: NDArray[np.int64], tokens: int, top_k: int, rng: np.random.Generator) -> Experts:
    """[tokens, k]: choices sorted by expert, dealt round: a count of at most `tokens` never meets itself."""
    order = rng.permutation(len(counts))
    dealt = np.repeat(order, counts[order]).reshape(top_k, tokens).T
    return rng.permutation(dealt).astype(np.uint16)
