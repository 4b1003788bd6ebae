"""Ranks of rows among those of their cell, without sorting."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.lowering.sheet import Ints


def order_in_cell(begins: NDArray[np.bool_]) -> Ints:
    """[n] 0, 1, … for rows of the same cell, of which each `begins` [n] one."""
    rows = np.arange(len(begins))
    return rows - np.maximum.accumulate(np.where(begins, rows, 0))


def starts(*columns: Ints) -> NDArray[np.bool_]:
    """[n] rows that differ from the one before in any of the columns [n]."""
    found = np.zeros(len(columns[0]), dtype=bool)
    found[:1] = True
    for column in columns:
        found[1:] |= column[1:] != column[:-1]
    return found


def grouped(group: Ints) -> Ints:
    """[n] rows in the order of small numbers `group` [n], those of one group as they were."""
    small = group.astype(np.uint16) if len(group) and group.max() < 1 << 16 else group
    return np.argsort(small, kind="stable")  # counts 16-bit numbers, compares larger ones


def slices(group: Ints) -> Iterator[slice]:
    """Rows in each of which `group` [n] is one."""
    changes = ((group[1:] != group[:-1]).nonzero()[0] + 1).tolist()
    if len(group):
        for begin, end in zip([0, *changes], [*changes, len(group)], strict=True):
            yield slice(begin, end)


def segments(group: Ints, by: Ints) -> Iterator[Ints]:
    """The rows of `by` [n], one part after the other in each of which `group` is one."""
    return (by[rows] for rows in slices(group[by]))
