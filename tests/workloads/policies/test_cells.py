"""Columns of demand, cell by cell, against loops over the cells."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.parts.cells import (
    busiest_first,
    cell_of,
    each_cell,
    order_in_cells,
    rank_in_cell,
    sum_before,
    sum_in_cell,
)

cells = st.lists(st.lists(st.integers(1, 5), max_size=6), min_size=1, max_size=6)


def rows_of(cells: list[list[int]]) -> DemandRows:
    """Tokens of the experts of each cell, the experts from 0 on."""
    sizes = [len(cell) for cell in cells]
    number = np.repeat(np.arange(len(cells)), sizes).astype(np.int32)
    expert = np.array([expert for size in sizes for expert in range(size)], np.int32)
    tokens = np.array([tokens for cell in cells for tokens in cell], np.int64)
    return DemandRows(number // 2, number % 2, expert, tokens, tokens / 2, np.cumsum([0, *sizes]))


@given(cells)
def test_within_cells(cells: list[list[int]]) -> None:
    rows = rows_of(cells)
    assert cell_of(rows).tolist() == [number for number, cell in enumerate(cells) for _ in cell]
    assert rank_in_cell(rows).tolist() == [rank for cell in cells for rank in range(len(cell))]
    assert sum_in_cell(rows.tokens, rows).tolist() == [sum(cell) for cell in cells]
    assert sum_before(rows.tokens, rows).tolist() == [sum(cell[:rank]) for cell in cells for rank in range(len(cell))]
    ranked = busiest_first(rows)
    expected = [row for cell in cells for row in sorted(enumerate(cell), key=lambda row: (-row[1], row[0]))]
    assert list(zip(ranked.expert.tolist(), ranked.tokens.tolist(), strict=True)) == expected
    assert (ranked.gate_weight * 2 == ranked.tokens).all()
    assert [one.tokens.tolist() for one in each_cell(rows)] == cells


def test_the_first_key_counts_first() -> None:
    rows = rows_of([[1, 1, 1], [1, 1]])
    order = order_in_cells(rows, np.array([1, 0, 0, 1, 1]), np.array([0, 2, 1, 9, 8]))
    assert order.tolist() == [2, 1, 0, 4, 3]
