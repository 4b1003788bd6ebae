"""Demand column by column: what holds within each cell (one layer of one step)."""

from __future__ import annotations

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


def count_before(chosen: NDArray[np.bool_], rows: DemandRows) -> I64:
    """[rows] how many earlier rows of the same cell are `chosen`."""
    running = _running(chosen)
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


def in_order(rows: DemandRows, key: NDArray[Any]) -> DemandRows:
    """The rows of each cell by increasing `key` [rows], equals as they were."""
    order = np.lexsort((key, cell_of(rows)))
    step, layer, expert, tokens, gate_weight, starts = rows
    return DemandRows(step[order], layer[order], expert[order], tokens[order], gate_weight[order], starts)


def busiest_first(rows: DemandRows) -> DemandRows:
    """In each cell the most tokens first, of equals the lower expert first."""
    if (rows.tokens == 1).all():  # one sequence decodes: there is nothing to sort
        return rows
    return in_order(rows, -rows.tokens)
