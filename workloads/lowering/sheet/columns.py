"""Columns of events as rows of integers: what is the same for all of a column, and where what varies lies."""

from __future__ import annotations

from typing import Final

COLUMN: Final = 17
"""Integers of a column: its size, kind, purpose and ranges, then codes of values in a sheet's pool."""
SIZE, KIND, PURPOSE, FIRST_RANGE, RANGES = range(5)
LANE, STEP, LAYER, SLOT, ORDER, SETUP, BUSY, TOKEN, COUNT, EXPERT, BITS, TOKENS = range(5, COLUMN)

RANGE: Final = 4
"""Integers of an address range: codes of two values, then op and what."""
ADDRESS, BYTES, OP, WHAT = range(RANGE)
