"""Drawing activity from the latent model: counters take the place of streams, so that any part is drawn alone."""

from __future__ import annotations

from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.neurons.activity import Clusters
from moe_cosim.workloads.neurons.latent import Latent
from moe_cosim.workloads.neurons.normal import NORMAL
from moe_cosim.workloads.routing.counter_based.pool import LONGEST_RUN, POOL, key, normal_pool

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

_TEXT, _TOKEN = range(2)
_GOLDEN_RATIO: Final = (5**0.5 - 1) / 2
_LEAST: Final = 1e-6
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


class Draw:
    """Activity of texts of one model. Text 0, 1, … are others of the same kind."""

    def __init__(self, latent: Latent, clusters: Clusters, layers: int, bundle_neurons: int, seed: int) -> None:
        """Bundles of so many neurons."""
        self._latent, self._layers, self._seed = latent, layers, seed
        self._bundle = _bundles(clusters, bundle_neurons)
        self._bundles = int(self._bundle[-1]) + 1
        self._own = np.float32(sqrt(latent.own)) * _levels(clusters, self._bundle)

    def active(self, text: int, first: int, last: int) -> Bools:
        """[tokens, layers, clusters] of the text's tokens `first` to `last`, the last excluded."""
        latent = self._latent
        of_text = self._through_layers(normals(key(self._seed, _TEXT, text), (self._layers, self._bundles)))
        fading, fresh = np.float32(latent.fading), np.float32(sqrt(1.0 - latent.fading**2))
        text_part, token_part = np.float32(sqrt(latent.text)), np.float32(sqrt(latent.token))
        found = np.empty((last - first, self._layers, len(self._own)), np.bool_)
        level: F32 = np.zeros((self._layers, self._bundles), np.float32)
        for token in range(last):
            noise = normals(key(self._seed, _TOKEN, text, token), (self._layers, self._bundles))
            level = fading * level + fresh * noise if token else noise
            if token >= first:
                shared = text_part * of_text + token_part * self._through_layers(level)
                found[token - first] = self._own + shared[:, self._bundle] > np.float32(latent.threshold)
        return found

    @property
    def correlated(self) -> NDArray[np.int32]:
        """[layers, clusters, 2] those of the layer before that are most alike: at the same place, then beside it in the
        bundle; -1: none."""
        alone = np.bincount(self._bundle)[self._bundle] == 1
        own = np.arange(len(self._bundle))
        after = np.roll(self._bundle, -1)
        beside = np.where(after == self._bundle, own + 1, own - 1)
        found = np.full((self._layers, len(own), 2), -1, np.int32)
        found[1:, :, 0], found[1:, :, 1] = own, np.where(alone, own, beside)
        return found

    def _through_layers(self, noise: F32) -> F32:
        """[layers, n] each layer's as the one before it, as far as layers are alike."""
        alike = np.float32(self._latent.layers)
        fresh = np.float32(sqrt(1.0 - self._latent.layers**2))
        found = np.empty_like(noise)
        found[0] = noise[0]
        for layer in range(1, len(noise)):
            found[layer] = alike * found[layer - 1] + fresh * noise[layer]
        return found


def normals(of: int, shape: tuple[int, ...]) -> F32:
    """Normals of the shared pool in this shape, run by run: which ones the key `of` and the place say."""
    count = int(np.prod(shape))
    runs = np.arange(-(-count // LONGEST_RUN), dtype=np.uint64)
    words = (runs + np.uint64(1)) * _GOLDEN + np.uint64(of)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    starts = ((words ^ (words >> np.uint64(31))) % np.uint64(POOL)).astype(np.int64)
    found: F32 = normal_pool()[starts[:, None] + np.arange(LONGEST_RUN)].reshape(-1)[:count].reshape(shape)
    return found


def _levels(clusters: Clusters, bundle: NDArray[np.int64]) -> F32:
    """[clusters] what neurons are in the model: in every bundle quantiles of a normal that are evenly apart, in all
    bundles together the whole of it."""
    begins = np.flatnonzero(np.diff(bundle, prepend=-1))
    size = clusters.neurons.astype(np.float64)
    total = np.add.reduceat(size, begins)[bundle]
    before = np.cumsum(size) - size
    before -= before[begins][bundle]
    # the golden ratio's multiples are spread evenly whatever their number (Weyl)
    place = np.modf((bundle + 0.5) * _GOLDEN_RATIO)[0]
    share = (before + place * size) / total
    return np.array([NORMAL.inv_cdf(min(max(each, _LEAST), 1.0 - _LEAST)) for each in share.tolist()], np.float32)


def _bundles(clusters: Clusters, bundle_neurons: int) -> NDArray[np.int64]:
    """[clusters] the bundle of each: neighbours of one block."""
    found, first = [], 0
    for sizes in clusters.sizes:
        count = max(1, round(int(sizes.sum()) / bundle_neurons))
        middle = np.cumsum(sizes) - sizes / 2
        found.append(first + (middle * count / sizes.sum()).astype(np.int64))
        first += count
    _, dense = np.unique(np.concatenate(found), return_inverse=True)
    return dense.astype(np.int64)
