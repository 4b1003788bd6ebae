"""Counts of a small batch's steps."""

from __future__ import annotations

import numpy as np

from moe_cosim.workloads.routing.statistics import expert_counts
from tests.workloads.routing.traces import EXPERTS, LAYERS, example

STEPS = ((0, 6), (2, 1), (3, 9))
"""(step, tokens) of those that are not empty."""


def counts_example() -> np.ndarray:
    """[steps, layers, experts] with an unused first layer and an empty step."""
    counts = np.zeros((4, LAYERS + 1, EXPERTS), np.int64)
    for step, tokens in STEPS:
        counts[step, 1:] = expert_counts(example((tokens,), seed=step).experts, EXPERTS)
    return counts


def batch_counts(prompt: int, batch: int, steps: int) -> np.ndarray:
    """[1 + steps, layers, experts]: a prefill of `prompt` tokens, then steps of `batch` tokens."""
    sizes = [prompt, *[batch] * steps] if prompt else [batch] * steps
    return np.stack([expert_counts(example((n,), seed=at).experts, EXPERTS) for at, n in enumerate(sizes)])
