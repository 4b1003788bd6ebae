"""The eight best keys of each lane, kept by sorting networks: no branches, so that 16 lanes are sorted as vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled, compiled_part

I32 = NDArray[np.int32]


@compiled_part
def _order(one: int, other: int) -> tuple[int, int]:
    return max(one, other), min(one, other)


@compiled
def keep_best(rows: I32) -> None:
    """rows [16 * 16], row after row: the first eight are new, the last eight the best so far, sorted; updated.

    The new ones are sorted (19 comparators), the better half of both is a bitonic sequence, and that
    is sorted (12); Knuth, TAOCP vol. 3, 5.3.4.
    """
    for i in range(16):
        a, b, c, d = rows[i], rows[16 + i], rows[32 + i], rows[48 + i]
        e, f, g, h = rows[64 + i], rows[80 + i], rows[96 + i], rows[112 + i]
        a, b = _order(a, b)
        c, d = _order(c, d)
        e, f = _order(e, f)
        g, h = _order(g, h)
        a, c = _order(a, c)
        b, d = _order(b, d)
        e, g = _order(e, g)
        f, h = _order(f, h)
        b, c = _order(b, c)
        f, g = _order(f, g)
        a, e = _order(a, e)
        d, h = _order(d, h)
        b, f = _order(b, f)
        c, g = _order(c, g)
        b, e = _order(b, e)
        d, g = _order(d, g)
        c, e = _order(c, e)
        d, f = _order(d, f)
        d, e = _order(d, e)
        a, h = max(a, rows[240 + i]), max(h, rows[128 + i])
        b, g = max(b, rows[224 + i]), max(g, rows[144 + i])
        c, f = max(c, rows[208 + i]), max(f, rows[160 + i])
        d, e = max(d, rows[192 + i]), max(e, rows[176 + i])
        a, e = _order(a, e)
        b, f = _order(b, f)
        c, g = _order(c, g)
        d, h = _order(d, h)
        a, c = _order(a, c)
        b, d = _order(b, d)
        e, g = _order(e, g)
        f, h = _order(f, h)
        a, b = _order(a, b)
        c, d = _order(c, d)
        e, f = _order(e, f)
        g, h = _order(g, h)
        rows[128 + i], rows[144 + i], rows[160 + i], rows[176 + i] = a, b, c, d
        rows[192 + i], rows[208 + i], rows[224 + i], rows[240 + i] = e, f, g, h
