"""Columns of events, each row straight to its place in the program's tables, compiled.

The tables are written as 64-bit words, little end first (`moe_cosim.workloads.program`): half the
stores of writing field by field.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled
from moe_cosim.workloads.lowering.sheet.columns import (
    ADDRESS,
    BITS,
    BUSY,
    BYTES,
    COUNT,
    EXPERT,
    FIRST_RANGE,
    KIND,
    LANE,
    LAYER,
    OP,
    PURPOSE,
    RANGES,
    SETUP,
    SIZE,
    STEP,
    TOKEN,
    TOKENS,
    WHAT,
)
from moe_cosim.workloads.lowering.sheet.values import first_and_mask

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@compiled
def fill(columns: I64, ranges: I64, pool: I64, position: I32, events: I64, tags: I64, accesses: I64) -> None:
    """All rows of all columns, row i of the sheet to ``position[i]``; accesses in the order of columns.

    `events` [rows, 5], `tags` [rows, 2] and `accesses` [accesses, 3] are the words of the tables.
    """
    row = 0
    access = 0
    for c in range(len(columns)):
        column = columns[c]
        rows = position[row : row + column[SIZE]]
        _fill_events(column, pool, rows, access, events)
        _fill_tags(column, pool, rows, tags)
        for r in range(column[RANGES]):
            _fill_accesses(column, ranges[column[FIRST_RANGE] + r], pool, access + r, accesses)
        row += column[SIZE]
        access += column[SIZE] * column[RANGES]


@compiled
def _fill_events(column: I64, pool: I64, position: I32, access: int, events: I64) -> None:
    lane, lane_mask = first_and_mask(column[LANE], pool)
    setup, setup_mask = first_and_mask(column[SETUP], pool)
    busy, busy_mask = first_and_mask(column[BUSY], pool)
    token, token_mask = first_and_mask(column[TOKEN], pool)
    count, count_mask = first_and_mask(column[COUNT], pool)
    kind, ranges = column[KIND], column[RANGES]
    for i in range(len(position)):
        at = position[i]
        events[at, 0] = kind | pool[lane + (i & lane_mask)] << 16 | at << 32
        events[at, 1] = pool[setup + (i & setup_mask)]
        events[at, 2] = pool[busy + (i & busy_mask)]
        events[at, 3] = (access + i * ranges) | ranges << 32
        events[at, 4] = pool[token + (i & token_mask)] | pool[count + (i & count_mask)] << 32


@compiled
def _fill_tags(column: I64, pool: I64, position: I32, tags: I64) -> None:
    step, step_mask = first_and_mask(column[STEP], pool)
    layer, layer_mask = first_and_mask(column[LAYER], pool)
    expert, expert_mask = first_and_mask(column[EXPERT], pool)
    bits, bits_mask = first_and_mask(column[BITS], pool)
    tokens, tokens_mask = first_and_mask(column[TOKENS], pool)
    purpose = column[PURPOSE] << 8
    for i in range(len(position)):
        at = position[i]
        of_step = pool[step + (i & step_mask)]
        of_layer = pool[layer + (i & layer_mask)] & 0xFFFF
        of_expert = pool[expert + (i & expert_mask)] & 0xFFFF
        tags[at, 0] = of_step | of_layer << 32 | of_expert << 48
        decode = 1 if of_step > 0 else 0
        of_bits = pool[bits + (i & bits_mask)] & 0xFFFF
        tags[at, 1] = decode | purpose | of_bits << 16 | pool[tokens + (i & tokens_mask)] << 32


@compiled
def _fill_accesses(column: I64, part: I64, pool: I64, first: int, accesses: I64) -> None:
    address, address_mask = first_and_mask(part[ADDRESS], pool)
    size, size_mask = first_and_mask(part[BYTES], pool)
    use = part[OP] << 32 | part[WHAT] << 40
    for i in range(column[SIZE]):
        at = first + i * column[RANGES]
        accesses[at, 0] = pool[address + (i & address_mask)]
        accesses[at, 1] = pool[size + (i & size_mask)]
        accesses[at, 2] = use
