"""What a policy of neurons decided: how much of each stage of each layer runs where, and what moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]

STAGES: Final = ("qkv", "projection", "mlp")
"""Of a layer, in their order; attention follows the first. The two that have neurons are blocks of the model."""
QKV, PROJECTION, MLP = range(3)


@dataclass(frozen=True)
class NeuronPlan:
    """The decisions for some decode steps. The GPU and the units beside it compute side by side in every stage."""

    steps: range
    near_units: tuple[str, ...]
    gpu_neurons: I64
    """[steps, layers, stages] neurons that the GPU computes; of the projection its rows."""
    near_neurons: I64
    """[steps, layers, stages, units] neurons that each unit reads."""
    near_products: I64
    """[steps, layers, stages, units] (neuron, token) pairs that each computes."""
    swapped_bytes: I64
    """[steps, layers, units] copied from beside each unit to the GPU during the projection."""
    moved_bytes: I64
    """[steps, layers, units, units] moved from beside the first to beside the second during the projection."""


@dataclass(frozen=True)
class Placement:
    """Before the first decode step."""

    streamed_bytes: I64
    """[layers] that the prefill reads from outside the GPU's memory."""
    loaded_bytes: I64
    """[layers] copied into the GPU's memory behind the prefill."""
