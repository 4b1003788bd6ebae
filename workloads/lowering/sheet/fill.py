"""Columns of events, each row straight to its place in the program's tables, compiled.

The tables are written as rows of 64-bit words: what is the same for all of a column is put together once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled
from moe_cosim.workloads.lowering.sheet.columns import (
    ADDRESS,
    BYTES,
    FIRST_RANGE,
    FIRST_VALUE,
    OFFSET,
    OP,
    RANGE_VARIES,
    RANGES,
    SIZE,
    VARIES,
    WHAT,
)

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

_AT_ONCE: Final = 256
"""Rows that are written word by word: they stay in the first cache."""


@compiled
def fill(
    pool: I64,
    columns: I64,
    ranges: I64,
    event_fields: I64,
    tag_fields: I64,
    position: I32,
    events: I64,
    tags: I64,
    accesses: I64,
) -> None:
    """All rows of all columns, row i of the sheet to ``position[i]``; accesses in the order of columns.

    `events` [rows, 5], `tags` [rows, 2] and `accesses` [accesses, 3] are the words of the tables.
    """
    row = 0
    access = 0
    for c in range(len(columns)):
        size, count = columns[c, SIZE], columns[c, RANGES]
        for begin in range(0, size, _AT_ONCE):
            rows = position[row + begin : row + min(begin + _AT_ONCE, size)]
            _fill(pool, columns[c], begin, event_fields, rows, events)
            for i in range(len(rows)):
                events[rows[i], 0] |= np.int64(rows[i]) << 32  # tag
                events[rows[i], 3] |= access + (begin + i) * count  # first_access
            _fill(pool, columns[c], begin, tag_fields, rows, tags)
        for r in range(count):
            _fill_accesses(pool, ranges[columns[c, FIRST_RANGE] + r], size, access + r, count, accesses)
        row += size
        access += size * count


@compiled
def _fill(pool: I64, column: I64, begin: int, fields: I64, rows: I32, table: I64) -> None:
    """The fields of a table's `rows`, which are those of a column from `begin` on."""
    for word in range(table.shape[1]):
        same = 0
        for f in range(len(fields)):
            if fields[f, 1] == word and not _varies(column, fields[f, 0]):
                same |= (column[fields[f, 0]] & fields[f, 3]) << fields[f, 2]
        for i in range(len(rows)):
            table[rows[i], word] = same
    for f in range(len(fields)):
        if _varies(column, fields[f, 0]):
            start = column[fields[f, 0]] + begin
            word, shift, mask = fields[f, 1], fields[f, 2], fields[f, 3]
            for i in range(len(rows)):
                table[rows[i], word] |= (pool[start + i] & mask) << shift


@compiled
def _varies(column: I64, integer: int) -> bool:
    return integer >= FIRST_VALUE and column[VARIES] >> (integer - FIRST_VALUE) & 1 != 0


@compiled
def _fill_accesses(pool: I64, part: I64, size: int, first: int, stride: int, accesses: I64) -> None:
    address, length, offset = part[ADDRESS], part[BYTES], part[OFFSET]
    use = part[OP] << 32 | part[WHAT] << 40
    address_step, length_step = part[RANGE_VARIES] & 1, part[RANGE_VARIES] >> 1
    for i in range(size):
        to = first + i * stride
        accesses[to, 0] = (pool[address + i] if address_step else address) + offset
        accesses[to, 1] = pool[length + i] if length_step else length
        accesses[to, 2] = use
