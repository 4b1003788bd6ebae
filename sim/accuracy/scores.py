"""How well answers are foretold, prompt by prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from moe_cosim.sim.accuracy.decisions import FULL, PromptRouting
from moe_cosim.sim.accuracy.decoder import Prefilled
from moe_cosim.sim.accuracy.replicas import Replicas

if TYPE_CHECKING:
    from torch import Tensor

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Scores:
    """Means over the tokens of each prompt's answer, [prompts]."""

    loss: F32
    """-ln p of the text's own token."""
    divergence: F32
    """Kullback-Leibler divergence from the 16-bit model's chances, in nats: what its widths alone change."""
    agreement: F32
    """Share of tokens at which the likeliest next one is the 16-bit model's."""
    accuracy: F32
    """Share of tokens at which the likeliest next one is the text's."""


class Scorer:
    """Prompts behind the 16-bit model, whose answers are scored again and again with other experts."""

    def __init__(self, full: Replicas, prompts: Sequence[NDArray[np.int64]], answers: NDArray[np.int64]) -> None:
        """`prompts` [tokens] each, and `answers` [prompts, tokens] of which all but the first are foretold."""
        decoder = self._decoder = full.decoder
        self._answers = answers
        full.put(np.full(full.shape, FULL, np.int64))
        self._prompts: list[Prefilled] = [decoder.prefill(prompt) for prompt in prompts]
        self._wanted: list[Tensor] = []
        self.answer_routings: list[PromptRouting] = []
        """What the answers route at 16 bits."""
        for prompt, answer in zip(self._prompts, answers, strict=True):
            with decoder.calls() as calls:
                self._wanted.append(decoder.answer(prompt, answer[:-1]))
            self.answer_routings.append(decoder.routing(calls))

    @property
    def routings(self) -> list[PromptRouting]:
        """Of the prompts."""
        return [prompt.routing for prompt in self._prompts]

    def score(self, replicas: Replicas, bits: NDArray[np.int64]) -> Scores:
        """With experts at `bits` [prompts, layers, experts]."""
        rows = []
        for prompt, answer, wanted, own in zip(self._prompts, self._answers, self._wanted, bits, strict=True):
            replicas.put(own)
            rows.append(_means(self._decoder.answer(prompt, answer[:-1]), wanted, answer[1:]))
        return Scores(*np.array(rows, np.float32).T)

    def full(self) -> Scores:
        """At 16 bits."""
        rows = [_means(wanted, wanted, answer[1:]) for wanted, answer in zip(self._wanted, self._answers, strict=True)]
        return Scores(*np.array(rows, np.float32).T)


def _means(found: Tensor, wanted: Tensor, text: NDArray[np.int64]) -> tuple[float, float, float, float]:
    import torch

    target = torch.from_numpy(text)
    likeliest = found.argmax(dim=-1)
    return (
        float(-found.gather(1, target[:, None]).mean()),
        float((wanted.exp() * (wanted - found)).sum(dim=-1).mean()),
        float((likeliest == wanted.argmax(dim=-1)).float().mean()),
        float((likeliest == target).float().mean()),
    )
