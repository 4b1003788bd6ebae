"""Demand column by column: what holds within each cell (one layer of one step)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.demand import DemandRows

I64 = NDArray[np.int64]


def cell_of(rows: DemandRows) -> I64:
    """[rows] number of the cell."""
    return np.repeat(np.arange(len(rows.starts) - 1), np.diff(rows.starts))


def rank_in_cell(rows: DemandRows) -> I64:
    """[rows] 0 for the first of its cell, and so on."""
    return np.arange(len(rows.expert)) - rows.starts[:-1][cell_of(rows)]


def sum_before(values: NDArray[Any], rows: DemandRows) -> I64:
    """[rows] sum of `values` (whole numbers or truths) over the earlier rows of the same cell."""
    running = _running(values)
    return running[:-1] - running[rows.starts[:-1]][cell_of(rows)]


def sum_in_cell(values: NDArray[Any], rows: DemandRows) -> I64:
    """[cells] of whole numbers [rows], or of truths: how many are true."""
    running = _running(values)
    return running[rows.starts[1:]] - running[rows.starts[:-1]]


def _running(values: NDArray[Any]) -> I64:
    """[rows + 1] sums of all before."""
    found = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values, out=found[1:])
    return found


def order_in_cells(rows: DemandRows, *keys: NDArray[Any]) -> I64:
    """[rows] the rows of each cell by increasing keys [rows], the first key first; equals as they were."""
    return np.lexsort((*reversed(keys), cell_of(rows)))


def reordered(rows: DemandRows, order: I64) -> DemandRows:
    """`order` [rows] moves rows within their cells only."""
    step, layer, expert, tokens, gate_weight, starts = rows
    return DemandRows(step[order], layer[order], expert[order], tokens[order], gate_weight[order], starts)


def busiest_first(rows: DemandRows) -> DemandRows:
    """In each cell the most tokens first, of equals the lower expert first."""
    if (rows.tokens == 1).all():  # one sequence decodes: there is nothing to sort
        return rows
    return reordered(rows, order_in_cells(rows, -rows.tokens))


def each_cell(rows: DemandRows) -> Iterator[DemandRows]:
    """One by one."""
    return _pieces(rows, np.arange(len(rows.starts)))


def each_step(rows: DemandRows) -> Iterator[DemandRows]:
    """The cells of one step after those of the other."""
    step = rows.step[rows.starts[:-1]]
    return _pieces(rows, np.flatnonzero(np.diff(step, prepend=-1, append=-1)))


def _pieces(rows: DemandRows, cells: I64) -> Iterator[DemandRows]:
    """From each of `cells` to the next."""
    step, layer, expert, tokens, gate_weight, starts = rows
    for first, last in pairwise(cells.tolist()):
        own = starts[first : last + 1]
        one = slice(own[0], own[-1])
        yield DemandRows(step[one], layer[one], expert[one], tokens[one], gate_weight[one], own - own[0])
