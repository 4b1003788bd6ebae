"""Where each event of a sheet's columns goes, compiled: lane after lane, in each by step, layer, slot and order."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled
from moe_cosim.workloads.lowering.columns import LANE, LAYER, ORDER, SIZE, SLOT, STEP
from moe_cosim.workloads.lowering.values import first_and_mask

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

ORDERS: Final = 1 << 40
"""Orders of one slot are below this."""


@compiled
def put_in_order(
    columns: I64,
    pool: I64,
    starts: I64,
    by_lane: I64,
    first_step: int,
    steps: int,
    layers: int,
    position: I32,
    row: I32,
    key: I64,
    spare_row: I32,
    spare_key: I64,
    ends: I32,
) -> bool:
    """Fills `position` [rows]: of row i of column c at ``starts[c] + i``. False: a place outside the sheet.

    `by_lane` [columns]: sorted by lane, then slot. `row`, `key` and the spare ones [rows] and `ends`
    [steps * (layers + 2)] are room to work in.
    """
    begin = 0
    first = 0
    while first < len(by_lane):
        lane = columns[by_lane[first], LANE]
        last = first
        ends[:] = 0
        while last < len(by_lane) and columns[by_lane[last], LANE] == lane:
            if not _count(columns[by_lane[last]], pool, first_step, steps, layers, ends):
                return False
            last += 1
        # a cell's end is where it begins, until its rows are dealt
        end = begin
        for cell in range(len(ends)):
            count = ends[cell]
            ends[cell] = end
            end += count
        for c in by_lane[first:last]:
            _deal(columns[c], pool, starts[c], first_step, layers, ends, row, key)
        low = begin
        for cell in range(len(ends)):
            high = ends[cell]
            _sort(row, key, low, high, spare_row, spare_key)
            low = high
        for at in range(begin, end):
            position[row[at]] = at
        begin = end
        first = last
    return True


@compiled
def _count(column: I64, pool: I64, first_step: int, steps: int, layers: int, count: I32) -> bool:
    """Adds the column's rows to the `count` of their cells of step and layer."""
    step, step_mask = first_and_mask(column[STEP], pool)
    layer, layer_mask = first_and_mask(column[LAYER], pool)
    order, order_mask = first_and_mask(column[ORDER], pool)
    for i in range(column[SIZE]):
        s = pool[step + (i & step_mask)] - first_step
        n = pool[layer + (i & layer_mask)]
        o = pool[order + (i & order_mask)]
        if s < 0 or s >= steps or n < -1 or n > layers or o < 0 or o >= ORDERS:
            return False
        count[s * (layers + 2) + n + 1] += 1
    return True


@compiled
def _deal(column: I64, pool: I64, start: int, first_step: int, layers: int, ends: I32, row: I32, key: I64) -> None:
    """Puts the column's rows to the end of their cells."""
    step, step_mask = first_and_mask(column[STEP], pool)
    layer, layer_mask = first_and_mask(column[LAYER], pool)
    order, order_mask = first_and_mask(column[ORDER], pool)
    slot = column[SLOT] * ORDERS
    for i in range(column[SIZE]):
        cell = (pool[step + (i & step_mask)] - first_step) * (layers + 2) + pool[layer + (i & layer_mask)] + 1
        at = ends[cell]
        ends[cell] = at + 1
        row[at] = start + i
        key[at] = slot + pool[order + (i & order_mask)]


@compiled
def _sort(row: I32, key: I64, low: int, high: int, spare_row: I32, spare_key: I64) -> None:
    """Merges ascending runs of `key` in low..high, neighbours first, until one is left; `row` goes along. Stable."""
    while True:
        begin = low
        middle = _run_end(key, begin, high)
        if middle == high:
            return
        while middle < high:
            end = _run_end(key, middle, high)
            for at in range(begin, middle):
                spare_row[at], spare_key[at] = row[at], key[at]
            a, b, to = begin, middle, begin
            while a < middle:
                if b < end and key[b] < spare_key[a]:
                    row[to], key[to] = row[b], key[b]
                    b += 1
                else:
                    row[to], key[to] = spare_row[a], spare_key[a]
                    a += 1
                to += 1
            begin = end
            middle = _run_end(key, begin, high)


@compiled
def _run_end(key: I64, begin: int, high: int) -> int:
    at = begin + 1
    while at < high and key[at] >= key[at - 1]:
        at += 1
    return min(at, high)
