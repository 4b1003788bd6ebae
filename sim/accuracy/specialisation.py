"""What a model's experts know of the domain: mutual information of domain and expert."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Specialisation:
    """Of one layer, in bits."""

    information: float
    """Between a token's domain and the expert that it chose."""
    shuffled: float
    """Mean over permutations of the documents' domains: what chance and the number of cells alone give."""
    shuffled_most: float
    """The largest of them."""


def mutual_information(table: NDArray[np.float64]) -> float:
    """Bits between rows and columns of counts [domains, experts]."""
    joint = table / table.sum()
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    some = joint > 0
    return float((joint[some] * np.log2(joint[some] / apart[some])).sum())


def specialisation(
    counts: NDArray[np.int64], domains: NDArray[np.int64], permutations: int = 200, seed: int = 0
) -> list[Specialisation]:
    """Per layer, of `counts` [documents, layers, experts] and the documents' `domains` [documents], from 0 on.

    Whole documents are permuted, since the tokens of one are alike.
    """
    draw = np.random.default_rng(seed)
    kinds = int(domains.max()) + 1
    orders = [domains, *(draw.permutation(domains) for _ in range(permutations))]
    found = []
    for layer in range(counts.shape[1]):
        bits = np.array([mutual_information(_by_domain(counts[:, layer], order, kinds)) for order in orders])
        found.append(Specialisation(float(bits[0]), float(bits[1:].mean()), float(bits[1:].max())))
    return found


def _by_domain(counts: NDArray[np.int64], domains: NDArray[np.int64], kinds: int) -> NDArray[np.float64]:
    table = np.zeros((kinds, counts.shape[1]))
    np.add.at(table, domains, counts)
    return table
