"""Which experts lie in the GPU's memory, settled before the run: the placements that deployments are measured with.

Source of the strategies: kvcache-ai/ktransformers, kt-kernel (``--kt-expert-placement-strategy``): the same count in
every layer; drawn with a seed; the most frequent ones of all layers together (`generate_gpu_experts_masks`); whole
layers from the first on.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Strategy: TypeAlias = Literal["uniform", "random", "frequency", "front-loading"]


def placed(strategy: Strategy, count: int, tokens: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """[layers, experts] which `count` experts the GPU holds; of equals the lower layer and expert.

    `tokens` [layers, experts] are what ``frequency`` ranks by. ``uniform`` takes each layer's first experts; a count
    that the layers do not divide gives the first layers one more.
    """
    layers, experts = tokens.shape
    if strategy == "uniform":
        each = count // layers + (np.arange(layers) < count % layers)
        return np.asarray(np.arange(experts) < each[:, None])
    if strategy == "frequency":
        order = np.argsort(-tokens, axis=None, kind="stable")
    elif strategy == "random":
        order = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 0x91ACE]))).permutation(tokens.size)
    else:
        order = np.arange(tokens.size)
    held = np.zeros(tokens.size, dtype=np.bool_)
    held[order[:count]] = True
    return held.reshape(layers, experts)


def without_first_layers(layers: int, experts: int, on_cpu: int) -> NDArray[np.bool_]:
    """[layers, experts] all but those of the first `on_cpu` layers (llama.cpp's ``--n-cpu-moe``)."""
    return np.repeat(np.arange(layers) >= on_cpu, experts).reshape(layers, experts)
