"""Recorded choices of single tokens, wherever they lie: what a run needs to know of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.routing.routing import Experts, Weights


class Trace(ABC):
    """Documents of tokens, one after the other. What is taken of it is read then, if it is not in memory."""

    offsets: NDArray[np.int64]
    """[documents + 1]: document d is tokens offsets[d] to offsets[d + 1]."""
    num_experts: int
    num_experts_known: bool
    """False: the file does not say, and `num_experts` is one more than the largest id in it."""
    prompt_tokens: NDArray[np.int64] | None
    """[documents]: set where documents hold generated tokens only; the prompts' lengths."""
    domains: tuple[str, ...] | None
    """[documents]: what kind of text each document is."""
    where: str
    what: ClassVar[str] = "choices of single tokens"

    @property
    @abstractmethod
    def has_weights(self) -> bool:
        """Whether it says how much each chosen expert weighs."""

    @property
    @abstractmethod
    def layers(self) -> int:
        """MoE layers."""

    @property
    @abstractmethod
    def top_k(self) -> int:
        """Experts of a token."""

    @abstractmethod
    def take(self, tokens: NDArray[np.int64]) -> tuple[Experts, Weights | None]:
        """[..., layers, k] of `tokens` [...], which are numbered through the documents. Raises `InputError`."""

    @property
    def documents(self) -> int:
        """Sequences, each read from its beginning."""
        return len(self.offsets) - 1

    @property
    def tokens(self) -> int:
        """Of all documents together."""
        return int(self.offsets[-1])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[documents] tokens of each."""
        return np.diff(self.offsets)

    def document_of_token(self) -> NDArray[np.int64]:
        """[tokens]."""
        return np.repeat(np.arange(self.documents), self.lengths)
