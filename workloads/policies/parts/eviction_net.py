"""The small network of a layer that says how far off every expert's next use is.

Source: FlashMoE (arXiv 2601.17063): three matrices with SiLU between them, from recency and frequency of all experts to
a score of each, trained on Belady's distances by their mean square; about 113 KB a layer. Width 64 and the optimizer
are those of an implementation of it by others (malmong/CECAR, commit 8e46ad2, Src/Train/ML_Train.py); with 128 experts
it has 28,928 weights, 113 KB at 32 bits, as published.

In double precision and with rounded scores: what is learned may differ in its last bits from processor to processor,
who leaves must not.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

WIDTH: Final = 64
EPOCHS: Final = 30
"""And no more once the error has not fallen for `PATIENCE` of them."""
PATIENCE: Final = 5
MINIBATCH: Final = 256
RATE: Final = 2e-3
_DECAY: Final = 0.01
_MOMENTS: Final = (0.9, 0.999)
"""Of AdamW (arXiv 1711.05101), PyTorch's defaults."""
_EPSILON: Final = 1e-8
_DIGITS: Final = 4


class EvictionNet:
    """Weights and biases, [in, out] and [out]; `error`: mean square of the training."""

    def __init__(self, parameters: list[F64], error: float) -> None:
        self._parameters, self.error = parameters, error

    @classmethod
    def trained(cls, features: F64, targets: F64, seed: int) -> Self:
        """On [samples, inputs] and [samples, experts]."""
        random = np.random.Generator(np.random.PCG64(seed))
        now = _first(random, (features.shape[1], WIDTH, WIDTH, targets.shape[1]))
        adam, best, least, waited = _Adam(now), now, np.inf, 0
        count = len(features)
        for _ in range(EPOCHS):
            order, error = random.permutation(count), 0.0
            for start in range(0, count, MINIBATCH):
                mine = order[start : start + MINIBATCH]
                lost, slopes = _slopes(now, features[mine], targets[mine])
                error += lost * len(mine) / count
                now = adam.step(now, slopes)
            if error < least:
                best, least, waited = now, error, 0
            else:
                waited += 1
                if waited == PATIENCE:
                    break
        return cls(best, float(least))

    def distances(self, features: F64) -> F64:
        """[experts] in horizons, larger is later."""
        *_, found = _forward(self._parameters, features)
        return np.abs(found).round(_DIGITS)


def _first(random: np.random.Generator, sizes: tuple[int, ...]) -> list[F64]:
    found = []
    for inputs, outputs in pairwise(sizes):
        most = inputs**-0.5  # PyTorch's own start of a linear layer
        found += [random.uniform(-most, most, shape) for shape in ((inputs, outputs), (outputs,))]
    return found


def _forward(parameters: list[F64], inputs: F64) -> tuple[F64, F64, F64, F64, F64]:
    """Both hidden layers before and behind their SiLU, and the result."""
    first = inputs @ parameters[0] + parameters[1]
    shown = first * _sigmoid(first)
    second = shown @ parameters[2] + parameters[3]
    told = second * _sigmoid(second)
    return first, shown, second, told, told @ parameters[4] + parameters[5]


def _slopes(parameters: list[F64], inputs: F64, targets: F64) -> tuple[float, list[F64]]:
    """Mean square, and its slope in every parameter."""
    first, shown, second, told, said = _forward(parameters, inputs)
    off = np.abs(said) - targets
    of_said = 2 * off * np.sign(said) / off.size
    of_second = (of_said @ parameters[4].T) * _silu_slope(second)
    of_first = (of_second @ parameters[2].T) * _silu_slope(first)
    slopes = []
    for into, of_out in ((inputs, of_first), (shown, of_second), (told, of_said)):
        slopes += [into.T @ of_out, of_out.sum(axis=0)]
    return float(np.mean(off**2)), slopes


class _Adam:
    """AdamW's moments."""

    def __init__(self, parameters: list[F64]) -> None:
        self._mean, self._square = ([np.zeros_like(each) for each in parameters] for _ in range(2))
        self._steps = 0

    def step(self, parameters: list[F64], slopes: list[F64]) -> list[F64]:
        self._steps += 1
        first, second = _MOMENTS
        found = []
        for at, (each, slope) in enumerate(zip(parameters, slopes, strict=True)):
            self._mean[at] = first * self._mean[at] + (1 - first) * slope
            self._square[at] = second * self._square[at] + (1 - second) * slope**2
            mean = self._mean[at] / (1 - first**self._steps)
            size = np.sqrt(self._square[at] / (1 - second**self._steps)) + _EPSILON
            found.append(each - RATE * (mean / size + _DECAY * each))
        return found


def _sigmoid(values: F64) -> F64:
    found: F64 = 1 / (1 + np.exp(-values))
    return found


def _silu_slope(values: F64) -> F64:
    rise = _sigmoid(values)
    return rise * (1 + values * (1 - rise))
