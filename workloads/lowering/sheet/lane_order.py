"""Where each event of a sheet's columns goes, compiled: lane after lane, in each by step, layer, slot and order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled, compiled_part
from moe_cosim.workloads.lowering.sheet.columns import FIRST_VALUE, SIZE, VARIES

I64 = NDArray[np.int64]


@compiled
def put_in_order(
    pool: I64,
    columns: I64,
    visit: I64,
    places: I64,
    row: I64,
    key: I64,
    bucket: I64,
    sort_key: I64,
    ends: I64,
    starts: I64,
) -> bool:
    """Fills `row` [rows]: what comes first, second, ..., counted through all columns. False: a place outside the sheet.

    `places`: for each part of a place its limits and factors, in the number of a bucket (a lane's step and layer) and
    in the key within it. `visit` [columns]: in about the order of their slots, which saves merging. `ends`
    [buckets + 1] holds zeros; it, `key`, `bucket` and `sort_key` [rows] are room to work in. `starts` [columns] becomes
    where the rows of each column begin.
    """
    for c in range(len(columns)):
        starts[c] = starts[c - 1] + columns[c - 1, SIZE] if c > 0 else 0
        if not _locate(pool, columns, c, places, starts[c], bucket, sort_key):
            return False
    # one bucket further on: where a bucket begins, until its rows are dealt
    for i in range(len(bucket)):
        ends[bucket[i] + 1] += 1
    for b in range(1, len(ends)):
        ends[b] += ends[b - 1]
    for v in range(len(visit)):
        c = visit[v]
        for i in range(starts[c], starts[c] + columns[c, SIZE]):
            at = ends[bucket[i]]
            ends[bucket[i]] = at + 1
            row[at] = i
            key[at] = sort_key[i]
    for b in range(1, len(ends)):
        _sort(row, key, ends[b - 2] if b > 1 else 0, ends[b - 1], bucket, sort_key)
    return True


@compiled_part
def _locate(pool: I64, columns: I64, c: int, places: I64, start: int, bucket: I64, sort_key: I64) -> bool:
    """Bucket and key of a column's rows, from `start` on."""
    size = columns[c, SIZE]
    for part in range(len(places)):
        low, high, in_bucket, in_key = places[part, 0], places[part, 1], places[part, 2], places[part, 3]
        value = columns[c, FIRST_VALUE + part]
        varies = columns[c, VARIES] >> part & 1
        at = value
        for i in range(size):
            if varies:
                value = pool[at + i]
            if value < low or value >= high:
                return False
            if part == 0:
                bucket[start + i] = sort_key[start + i] = 0
            bucket[start + i] += (value - low) * in_bucket
            sort_key[start + i] += value * in_key
    return True


@compiled_part
def _sort(row: I64, key: I64, low: int, high: int, spare_row: I64, spare_key: I64) -> None:
    """Merges ascending runs of `key` in low..high, neighbours first, until one is left; `row` goes along. Stable."""
    runs = 2
    while runs > 1:
        runs = 0
        begin = low
        while begin < high:
            middle = begin + 1
            while middle < high and key[middle] >= key[middle - 1]:
                middle += 1
            end = min(middle + 1, high)
            while end < high and key[end] >= key[end - 1]:
                end += 1
            runs += 1 if middle == high and begin == low else 2
            if middle < high:
                _merge(row, key, begin, middle, end, spare_row, spare_key)
            begin = end


@compiled_part
def _merge(row: I64, key: I64, begin: int, middle: int, end: int, spare_row: I64, spare_key: I64) -> None:
    for at in range(begin, middle):
        spare_row[at] = row[at]
        spare_key[at] = key[at]
    a, b = begin, middle
    for to in range(begin, end):
        if a == middle:
            return
        if b < end and key[b] < spare_key[a]:
            row[to] = row[b]
            key[to] = key[b]
            b += 1
        else:
            row[to] = spare_row[a]
            key[to] = spare_key[a]
            a += 1
