"""Columns of events as records of integers, and where their values go in the tables of a program."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.programs.program import EVENT, TAG

PLACE: Final = ("lane", "step", "layer", "slot", "order")
VALUES: Final = (*PLACE, "setup_ps", "busy_ps", "token", "count", "phase", "expert", "weight_bits", "tokens")

SIZE, KIND, PURPOSE, FIRST_RANGE, RANGES, VARIES, FIRST_VALUE = range(7)
COLUMN: Final = FIRST_VALUE + len(VALUES)
"""Integers of a column. From `FIRST_VALUE` on those of `VALUES`: what all rows have, or where in the sheet's pool an
array of what they have starts: bit i of `VARIES` says of value i which."""

OP, WHAT, OFFSET, BLOCK, RANGE_VARIES, ADDRESS, BYTES = range(7)
RANGE: Final = 7
"""Integers of an address range: `ADDRESS` and `BYTES` as values of a column; `OFFSET` is added to the address."""

EVENT_WORDS: Final = EVENT.itemsize // 8
WORDS: Final = EVENT_WORDS + TAG.itemsize // 8
"""64-bit words of an event and its tag."""


def _fields_of(dtype: np.dtype[np.void], first_word: int, **more: int) -> list[tuple[int, ...]]:
    """Those of `VALUES`, and of `more` by name: what is `accesses` in an event, say."""
    columns = more | {name: FIRST_VALUE + index for index, name in enumerate(VALUES)}
    assert dtype.fields is not None
    found: list[tuple[int, ...]] = []
    for name, (kind, offset, *_) in dtype.fields.items():
        if name in columns:
            mask = -1 if kind.itemsize == 8 else (1 << 8 * kind.itemsize) - 1
            found.append((columns[name], first_word + offset // 8, offset % 8 * 8, mask))
    return found


FIELDS: Final[NDArray[np.int64]] = np.array(
    _fields_of(EVENT, 0, kind=KIND, accesses=RANGES) + _fields_of(TAG, EVENT_WORDS, purpose=PURPOSE)
)
"""[fields, 4] a column's integer, and the word, shift and mask of what it says about an event."""
