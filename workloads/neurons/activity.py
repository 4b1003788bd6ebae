"""Which neurons each step of a run needs, cluster by cluster: what a policy is confronted with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.neurons.model import NeuronBlock, NeuronModel

I64 = NDArray[np.int64]
F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Clusters:
    """The neurons of a layer in clusters of neighbours: what is placed, moved and computed as one.

    The clusters of a layer are those of its blocks, one block after the other.
    """

    blocks: tuple[NeuronBlock, ...]
    sizes: tuple[I64, ...]
    """[clusters] neurons of each, of each block."""

    @classmethod
    def of(cls, model: NeuronModel, cluster_neurons: int) -> Self:
        """Clusters of so many neurons, the last of a block with what is left."""
        sizes = []
        for block in model.blocks:
            starts = np.arange(0, block.neurons, cluster_neurons)
            sizes.append(np.minimum(cluster_neurons, block.neurons - starts))
        return cls(model.blocks, tuple(sizes))

    @cached_property
    def count(self) -> int:
        """Of a layer."""
        return sum(len(each) for each in self.sizes)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where the clusters of each block are."""
        ends = np.cumsum([0, *map(len, self.sizes)]).tolist()
        return tuple(slice(first, last) for first, last in pairwise(ends))

    @cached_property
    def neurons(self) -> I64:
        """[clusters]."""
        return np.concatenate(self.sizes)

    @cached_property
    def bytes(self) -> I64:
        """[clusters] of the weights of a cluster's neurons."""
        each = [size * block.bytes_per_neuron for block, size in zip(self.blocks, self.sizes, strict=True)]
        return np.concatenate(each).astype(np.int64)

    @cached_property
    def block_of(self) -> I64:
        """[clusters] index of the block."""
        return np.repeat(np.arange(len(self.sizes)), [len(each) for each in self.sizes])


@dataclass(frozen=True)
class Profile:
    """What is known offline, from other texts."""

    frequency: F32
    """[layers, clusters] share of the tokens that need it."""
    correlated: NDArray[np.int32]
    """[layers, clusters, 2] the two clusters of the layer before with which it is active together most; -1: none."""


@dataclass(frozen=True)
class NeuronActivity:
    """Of one run. A cluster is active for a token as a whole."""

    clusters: Clusters
    profile: Profile
    prompt_frequency: F32
    """[layers, clusters] share of the prompt's tokens that need it."""
    tokens: NDArray[np.uint16]
    """[decode steps, layers, clusters] how many of the batch's tokens need it."""
    source: str
    """One line: what it is."""

    @property
    def steps(self) -> int:
        """The prompt, and every decode step."""
        return int(self.tokens.shape[0])

    @property
    def layers(self) -> int:
        """Layers of the model."""
        return int(self.tokens.shape[1])
