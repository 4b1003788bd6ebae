"""Rows as a columnar table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from moe_cosim.sim.sweep.store.columns import Row


def table(rows: Sequence[Row]) -> pa.Table:
    """One column per name that any row has, in order of appearance; null where a row has none.

    Whole numbers are int64, or double where any is not whole; mixed kinds become text, as does a column with a number
    beyond 64 bits.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    kind = _kind(values)
    if kind == pa.string():
        values = [value if value is None or isinstance(value, str) else str(value) for value in values]
    if kind == pa.float64():  # Arrow refuses whole numbers that a double does not hold to the last digit
        values = [value if value is None else float(value) for value in values]
    return pa.array(values, type=kind)


def _kind(values: Sequence[Any]) -> pa.DataType:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.bool_()
    if int in kinds and any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in values):
        return pa.string()
    if kinds == {int}:
        return pa.int64()
    if not kinds or kinds <= {int, float}:  # all null: a metric that no point has
        return pa.float64()
    return pa.string()
