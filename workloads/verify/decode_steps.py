"""The decode steps of a run: how many there are, which tokens each puts through the model, and what it yields."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from moe_cosim.experiment import Workload

I64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class DecodeSteps:
    """Each step verifies the last token of every sequence and those drafted behind it: it yields the drafted tokens
    that are accepted, and one more, which the model itself gives behind them (Leviathan et al. 2023, arXiv 2211.17192,
    algorithm 1). The batch stays full until it has yielded what was asked of it; what the last step yields beyond that
    does not count."""

    workload: Workload
    accepted: I64
    """[steps, sequences] drafted tokens that are accepted, those of the first step first."""

    @classmethod
    def enough(cls, workload: Workload, accepted: I64) -> Self:
        """The steps out of `accepted` [any number, sequences] that are needed; all of them where they do not do."""
        yielded = np.cumsum((accepted + 1).sum(axis=1))
        wanted = workload.batch * workload.decoded_tokens
        return cls(workload, accepted[: np.searchsorted(yielded, wanted) + 1 if wanted else 0])

    @classmethod
    def plain(cls, workload: Workload) -> Self:
        """One token of each sequence in each step."""
        return cls(workload, np.zeros((workload.decoded_tokens, workload.batch), np.int64))

    @property
    def count(self) -> int:
        """Decode steps until the batch has yielded what was asked of it."""
        return len(self.accepted)

    @property
    def yielded_tokens(self) -> int:
        """By all steps and sequences, with those that the last step yields beyond what was asked for."""
        return int((self.accepted + 1).sum())

    @property
    def tokens(self) -> int:
        """That count: those that were asked for behind the first of each sequence."""
        return self.workload.batch * self.workload.decoded_tokens

    @cached_property
    def first_tokens(self) -> I64:
        """[steps, sequences] which of its sequence's decoded tokens each step verifies first, counted from 0: all
        before it have been accepted."""
        before = np.zeros_like(self.accepted)
        np.cumsum(self.accepted[:-1] + 1, axis=0, out=before[1:])
        return before

    @cached_property
    def cached_tokens(self) -> I64:
        """[steps] tokens of a sequence whose keys and values are kept when the step begins; where the sequences of a
        batch differ their mean, rounded down."""
        if not self.count:
            return np.zeros(0, np.int64)
        mean: I64 = self.first_tokens.sum(axis=1) // self.workload.batch
        return self.workload.decode_context + mean
