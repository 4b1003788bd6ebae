"""What is fixed for a model of the latent kind, whatever the seed: popularity, permutations, domains."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_POPULARITY, _PLACES, _DOMAIN = range(3)
_MODEL_SEED: Final = 0


def stream(seed: int, purpose: int, *key: int) -> np.random.Generator:
    """A random stream of its own for each purpose and key."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy=seed, spawn_key=(purpose, *key))))


@dataclass(frozen=True)
class LatentModel:
    """Standardised vectors over the experts; arrays are shared, not to be written to."""

    popularity: F32
    """[layers, experts]."""
    places: NDArray[np.int64]
    """[layers, experts] where in the fields common to all layers each expert looks."""
    domains: F32
    """[domains, layers, experts]."""


@lru_cache(maxsize=8)
def latent_model(experts: int, layers: int, domains: int, coupling: float, skewness: float) -> LatentModel:
    """`coupling`: correlation of any two layers' vectors, seen through `places`."""
    places = np.stack([stream(_MODEL_SEED, _PLACES, layer).permutation(experts) for layer in range(layers)])
    common = _normal(experts, _POPULARITY)
    scores = _popularity_scores(experts, skewness)
    popularity = np.empty((layers, experts), np.float32)
    for layer in range(layers):
        own = _normal(experts, _POPULARITY, layer)
        order = np.argsort(np.sqrt(coupling) * common[places[layer]] + np.sqrt(1 - coupling) * own)
        popularity[layer, order] = scores
    shared, fresh = np.float32(np.sqrt(coupling)), np.float32(np.sqrt(1 - coupling))
    mixed = np.empty((domains, layers, experts), np.float32)
    for domain in range(domains):
        common = _normal(experts, _DOMAIN, domain)
        for layer in range(layers):
            mixed[domain, layer] = shared * common[places[layer]] + fresh * _normal(experts, _DOMAIN, domain, layer)
    return LatentModel(popularity, places.astype(np.int64), mixed)


def _popularity_scores(experts: int, skewness: float) -> F64:
    """[experts] equally spaced quantiles, increasing, mean 0 and variance 1.

    A model has one popularity per layer, not a sample of it: quantiles have the skew the share
    stands for even with 8 experts. They are normal, or skewed by the first term of the
    Cornish-Fisher expansion.
    """
    normal = NormalDist()
    scores = np.array([normal.inv_cdf((e + 0.5) / experts) for e in range(experts)])
    scores += skewness * (scores**2 - 1) / 6
    scores -= scores.mean()
    deviation = np.sqrt((scores**2).mean())
    if deviation > 0:
        scores /= deviation
    return np.sort(scores)


def _normal(experts: int, *key: int) -> F32:
    values: F32 = stream(_MODEL_SEED, *key).standard_normal(experts, dtype=np.float32)
    return values
