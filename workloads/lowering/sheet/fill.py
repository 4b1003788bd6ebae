"""Columns of events, each row straight to its place in the program's tables, compiled.

The tables are written as rows of 64-bit words: what is the same for all of a column is put together once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled, compiled_part
from moe_cosim.workloads.lowering.sheet.columns import (
    ADDRESS,
    BLOCK,
    BYTES,
    EVENT_WORDS,
    FIRST_RANGE,
    FIRST_VALUE,
    OFFSET,
    OP,
    RANGE_VARIES,
    RANGES,
    SIZE,
    VARIES,
    WHAT,
    WORDS,
)

I64 = NDArray[np.int64]

_AT_ONCE: Final = 256
"""Rows that are written word by word: they stay in the first cache."""


@compiled
def fill(
    pool: I64, columns: I64, ranges: I64, fields: I64, starts: I64, position: I64, words: I64, accesses: I64
) -> None:
    """All rows of all columns, which begin at `starts`, row i of the sheet to ``position[i]``; accesses in the order
    of columns.

    `words` holds events, then tags, and `accesses` [accesses, 3] the words of that table.
    """
    access = 0
    for c in range(len(columns)):
        size, count = columns[c, SIZE], columns[c, RANGES]
        for begin in range(0, size, _AT_ONCE):
            _fill(pool, columns, c, begin, fields, starts[c], position, words)
        for i in range(size):
            at = position[starts[c] + i]
            words[at * EVENT_WORDS] |= at << 32  # tag
            words[at * EVENT_WORDS + 3] |= access + i * count  # first_access
        for r in range(count):
            _fill_accesses(pool, ranges, columns[c, FIRST_RANGE] + r, size, access + r, count, accesses)
        access += size * count


@compiled_part
def _fill(pool: I64, columns: I64, c: int, begin: int, fields: I64, start: int, position: I64, words: I64) -> None:
    """Some of a column's rows from `begin` on."""
    end = min(begin + _AT_ONCE, columns[c, SIZE])
    for word in range(WORDS):
        first, stride = word, EVENT_WORDS
        if word >= EVENT_WORDS:
            first, stride = len(position) * EVENT_WORDS + word - EVENT_WORDS, WORDS - EVENT_WORDS
        same = 0
        for f in range(len(fields)):
            if fields[f, 1] == word and not _varies(columns, c, fields[f, 0]):
                same |= (columns[c, fields[f, 0]] & fields[f, 3]) << fields[f, 2]
        for i in range(begin, end):
            words[first + position[start + i] * stride] = same
        for f in range(len(fields)):
            if fields[f, 1] == word and _varies(columns, c, fields[f, 0]):
                at, shift, mask = columns[c, fields[f, 0]], fields[f, 2], fields[f, 3]
                for i in range(begin, end):
                    words[first + position[start + i] * stride] |= (pool[at + i] & mask) << shift


@compiled_part
def _varies(columns: I64, c: int, integer: int) -> bool:
    return integer >= FIRST_VALUE and columns[c, VARIES] >> (integer - FIRST_VALUE) & 1 != 0


@compiled_part
def _fill_accesses(pool: I64, ranges: I64, r: int, size: int, first: int, stride: int, accesses: I64) -> None:
    address, length, offset = ranges[r, ADDRESS], ranges[r, BYTES], ranges[r, OFFSET]
    use = ranges[r, BLOCK] | ranges[r, OP] << 32 | ranges[r, WHAT] << 40
    address_step, length_step = ranges[r, RANGE_VARIES] & 1, ranges[r, RANGE_VARIES] >> 1
    for i in range(size):
        to = first + i * stride
        accesses[to, 0] = (pool[address + i] if address_step else address) + offset
        accesses[to, 1] = pool[length + i] if length_step else length
        accesses[to, 2] = use
