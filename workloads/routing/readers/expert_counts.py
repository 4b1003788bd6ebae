"""sglang's expert-distribution dump: how many tokens each expert got, per step and layer.

Counts say nothing of single tokens. Tokens are dealt so that every step and layer has exactly the
counted loads, each token k different experts; which token gets which is arbitrary, layers are
independent, and nothing links one step's tokens to the next step's. Skew and batch loads are the
recorded ones; locality within a sequence and agreement between layers are lost.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.archive import Arrays, take
from moe_cosim.workloads.routing.token_trace import TokenTrace

_SEED: Final = 0
_MOST_CHOICES: Final = 200_000_000
"""Refuse to expand more (400 MB of ids)."""


def from_expert_counts(arrays: Arrays, path: Path, top_k: int | None) -> TokenTrace:
    """`logical_count` [steps, layers, experts]; one document. Layers and steps without a count are left out."""
    counts = take(arrays, "logical_count", 3, "iu", path).astype(np.int64)
    if top_k is None:
        raise InputError(path, "top_k", Plain("nothing"), "the model's experts per token: counts do not say it")
    if counts.size and counts.min() < 0:
        raise InputError(path, "logical_count", int(counts.min()), "counts of 0 or more")
    counts = counts[counts.sum(axis=(1, 2)) > 0]
    counts = counts[:, counts.sum(axis=(0, 2)) > 0]
    if counts.size == 0:
        raise InputError(path, "logical_count", Plain("nothing counted"), "at least one step with tokens")
    if int(counts.sum()) > _MOST_CHOICES:
        raise InputError(path, "logical_count", int(counts.sum()), f"at most {_MOST_CHOICES} choices in all")
    tokens = _tokens_per_step(counts, top_k, path)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy=_SEED)))
    steps = [
        np.stack([_deal(layer, int(n), top_k, rng) for layer in step], axis=1)
        for step, n in zip(counts, tokens, strict=True)
    ]
    experts = np.concatenate(steps)
    offsets = np.array([0, len(experts)], np.int64)
    return TokenTrace(experts, None, offsets, counts.shape[2], where=str(path))


def _tokens_per_step(counts: NDArray[np.int64], top_k: int, path: Path) -> NDArray[np.int64]:
    """[steps]; every layer of a step must have routed the same tokens, top_k experts each."""
    total = counts.sum(axis=2)
    tokens: NDArray[np.int64] = total[:, 0] // top_k
    wrong = np.argwhere(total != (tokens * top_k)[:, None])
    if len(wrong):
        step, layer = wrong[0]
        allowed = f"{top_k} times the step's tokens, the same in all layers"
        raise InputError(path, f"logical_count step {step} layer {layer}", int(total[step, layer]), allowed)
    wrong = np.argwhere(counts > tokens[:, None, None])
    if len(wrong):
        step, layer, expert = wrong[0]
        found = int(counts[step, layer, expert])
        field = f"logical_count step {step} layer {layer} expert {expert}"
        raise InputError(path, field, found, f"at most the step's {tokens[step]} tokens (k experts differ)")
    return tokens


def _deal(counts: NDArray[np.int64], tokens: int, top_k: int, rng: np.random.Generator) -> NDArray[Any]:
    """[tokens, k]: choices sorted by expert, dealt round: a count of at most `tokens` never meets itself."""
    order = rng.permutation(len(counts))
    dealt = np.repeat(order, counts[order]).reshape(top_k, tokens).T
    return rng.permutation(dealt).astype(np.uint16)
