"""Neurons that become hot take the place of the coldest on the GPU (IV-C2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HOT = 10
"""What the state of a hot neuron exceeds."""


def swapped(
    states: NDArray[np.int8], hot: NDArray[np.bool_], size: NDArray[np.int64], most_bytes: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """[layers, clusters] which come and which go, of clusters of `size` bytes: in every layer the hottest that are not
    on the GPU, against the lowest states there, as long as they are higher and `most_bytes` of a layer allow."""
    there = states.astype(np.int64)
    asks, nobody = ~hot & (there > HOT), HOT + len(states.T)
    coming = np.argsort(np.where(asks, -there, nobody), axis=1, kind="stable")
    going = np.argsort(np.where(hot, there, nobody), axis=1, kind="stable")
    able = np.take_along_axis(asks, coming, axis=1) & np.take_along_axis(hot, going, axis=1)
    able &= np.take_along_axis(there, coming, axis=1) > np.take_along_axis(there, going, axis=1)
    able &= size[coming] <= size[going]
    able = np.logical_and.accumulate(able, axis=1)
    able &= np.cumsum(size[coming], axis=1) <= most_bytes
    come, go = np.zeros_like(hot), np.zeros_like(hot)
    np.put_along_axis(come, coming, able, axis=1)
    np.put_along_axis(go, going, able, axis=1)
    return come, go
