"""Where each event of a sheet's columns goes, compiled: lane after lane, in each by step, layer, slot and order."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled
from moe_cosim.workloads.lowering.sheet.columns import LANE, LAYER, ORDER, SIZE, SLOT, STEP
from moe_cosim.workloads.lowering.sheet.values import first_and_mask

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

_SLOTS: Final = 1 << 4
_ORDERS: Final = 1 << 40


@compiled
def put_in_order(
    columns: I64,
    pool: I64,
    visit: I64,
    starts: I64,
    first_step: int,
    layers: int,
    position: I32,
    row: I32,
    key: I64,
    spare_row: I32,
    spare_key: I64,
    ends: I32,
) -> bool:
    """Fills `position` [rows]: of row i of column c at ``starts[c] + i``. False: a place outside the sheet.

    `visit` [columns]: in about the order of their slots, which saves merging. `ends` [lanes * steps *
    (layers + 2)] holds zeros; it, `row`, `key` and the spare ones [rows] are room to work in.
    """
    lanes, cells = ends.shape
    ends = ends.reshape(-1)
    for c in range(len(columns)):
        if not _count(columns[c], pool, first_step, layers, lanes, cells, ends, spare_row[starts[c] :]):
            return False
    # the end of each bucket, of a lane's step and layer, is where it begins, until its rows are dealt
    end = 0
    for bucket in range(len(ends)):
        count = ends[bucket]
        ends[bucket] = end
        end += count
    for c in visit:
        _deal(columns[c], pool, starts[c], spare_row, ends, row, key)
    low = 0
    for bucket in range(len(ends)):
        high = ends[bucket]
        _sort(row, key, low, high, spare_row, spare_key)
        low = high
    for at in range(len(row)):
        position[row[at]] = at
    return True


@compiled
def _count(
    column: I64, pool: I64, first_step: int, layers: int, lanes: int, cells: int, count: I32, bucket: I32
) -> bool:
    """Finds the `bucket` of each of the column's rows, and adds to their counts."""
    lane, lane_mask = first_and_mask(column[LANE], pool)
    step, step_mask = first_and_mask(column[STEP], pool)
    layer, layer_mask = first_and_mask(column[LAYER], pool)
    slot, slot_mask = first_and_mask(column[SLOT], pool)
    order, order_mask = first_and_mask(column[ORDER], pool)
    for i in range(column[SIZE]):
        on = pool[lane + (i & lane_mask)]
        n = pool[layer + (i & layer_mask)]
        cell = (pool[step + (i & step_mask)] - first_step) * (layers + 2) + n + 1
        s = pool[slot + (i & slot_mask)]
        o = pool[order + (i & order_mask)]
        if not (0 <= on < lanes and 0 <= cell < cells and -1 <= n <= layers and 0 <= s < _SLOTS and 0 <= o < _ORDERS):
            return False
        bucket[i] = on * cells + cell
        count[bucket[i]] += 1
    return True


@compiled
def _deal(column: I64, pool: I64, start: int, bucket: I32, ends: I32, row: I32, key: I64) -> None:
    """Puts the column's rows to the end of their buckets."""
    slot, slot_mask = first_and_mask(column[SLOT], pool)
    order, order_mask = first_and_mask(column[ORDER], pool)
    for i in range(column[SIZE]):
        at = ends[bucket[start + i]]
        ends[bucket[start + i]] = at + 1
        row[at] = start + i
        key[at] = pool[slot + (i & slot_mask)] * _ORDERS + pool[order + (i & order_mask)]


@compiled
def _sort(row: I32, key: I64, low: int, high: int, spare_row: I32, spare_key: I64) -> None:
    """Merges ascending runs of `key` in low..high, neighbours first, until one is left; `row` goes along. Stable."""
    while True:
        begin = low
        middle = _run_end(key, begin, high)
        if middle >= high:
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
    return at
