"""Columns of events, each row straight to its place in the program's tables, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled
from moe_cosim.workloads.lowering.columns import (
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
from moe_cosim.workloads.lowering.values import first_and_mask

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@compiled
def fill(
    columns: I64,
    ranges: I64,
    pool: I64,
    position: I32,
    events: NDArray[np.void],
    tags: NDArray[np.void],
    accesses: NDArray[np.void],
) -> None:
    """All rows of all columns, row i of the sheet to ``position[i]``; accesses in the order of columns."""
    row = 0
    access = 0
    for c in range(len(columns)):
        column = columns[c]
        _fill_events(column, pool, position[row : row + column[SIZE]], access, events)
        _fill_tags(column, pool, position[row : row + column[SIZE]], tags)
        for r in range(column[RANGES]):
            _fill_accesses(column, ranges[column[FIRST_RANGE] + r], pool, access + r, accesses)
        row += column[SIZE]
        access += column[SIZE] * column[RANGES]


@compiled
def _fill_events(column: I64, pool: I64, position: I32, access: int, events: NDArray[np.void]) -> None:
    setup, setup_mask = first_and_mask(column[SETUP], pool)
    busy, busy_mask = first_and_mask(column[BUSY], pool)
    token, token_mask = first_and_mask(column[TOKEN], pool)
    count, count_mask = first_and_mask(column[COUNT], pool)
    for i in range(len(position)):
        event = events[position[i]]
        event.kind = column[KIND]
        event.pad = 0
        event.lane = column[LANE]
        event.tag = position[i]
        event.setup_ps = pool[setup + (i & setup_mask)]
        event.busy_ps = pool[busy + (i & busy_mask)]
        event.first_access = access + i * column[RANGES]
        event.accesses = column[RANGES]
        event.token = pool[token + (i & token_mask)]
        event.count = pool[count + (i & count_mask)]


@compiled
def _fill_tags(column: I64, pool: I64, position: I32, tags: NDArray[np.void]) -> None:
    step, step_mask = first_and_mask(column[STEP], pool)
    layer, layer_mask = first_and_mask(column[LAYER], pool)
    expert, expert_mask = first_and_mask(column[EXPERT], pool)
    bits, bits_mask = first_and_mask(column[BITS], pool)
    tokens, tokens_mask = first_and_mask(column[TOKENS], pool)
    for i in range(len(position)):
        tag = tags[position[i]]
        tag.step = pool[step + (i & step_mask)]
        tag.layer = pool[layer + (i & layer_mask)]
        tag.expert = pool[expert + (i & expert_mask)]
        tag.phase = pool[step + (i & step_mask)] > 0
        tag.purpose = column[PURPOSE]
        tag.weight_bits = pool[bits + (i & bits_mask)]
        tag.tokens = pool[tokens + (i & tokens_mask)]


@compiled
def _fill_accesses(column: I64, part: I64, pool: I64, first: int, accesses: NDArray[np.void]) -> None:
    address, address_mask = first_and_mask(part[ADDRESS], pool)
    size, size_mask = first_and_mask(part[BYTES], pool)
    for i in range(column[SIZE]):
        access = accesses[first + i * column[RANGES]]
        access.address = pool[address + (i & address_mask)]
        access.bytes = pool[size + (i & size_mask)]
        access.block_bytes = 0
        access.op = part[OP]
        access.what = part[WHAT]
        access.pad = 0
