"""Moves of several kinds, decided for many cells at once and numbered cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.plan import PlanBuilder

I64 = NDArray[np.int64]


def move_by_cell(plan: PlanBuilder, cell: Sequence[I64], *columns: Sequence[NDArray[Any]]) -> list[I64]:
    """As `PlanBuilder.move_rows`, for kinds of moves of which `cell` [each] says where they belong.

    Each column is given kind by kind, too. In a cell the kinds follow each other. Returns the rows' numbers.
    """
    order = np.argsort(np.concatenate(cell), kind="stable")
    step, layer, of_layer, expert, *rest = (np.concatenate(column)[order] for column in columns)
    number = np.empty_like(order)
    number[order] = plan.move_rows(step, layer, of_layer, expert, *rest) + np.arange(len(order))
    return np.split(number, np.cumsum([len(each) for each in cell])[:-1])
